#!/usr/bin/env node
import { existsSync } from "node:fs";
import module from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { become, findNode, isRightNode, root } from "./node.js";

// What runs until it is told to end. Loading it takes half a second, in which there is nothing to end but the process;
// then src/main.ts takes these signals over.
const isServer = ["serve", "demo", "register"].includes(process.argv[2] ?? "");
if (isServer) for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => isRightNode && process.exit(0));

if (isRightNode) {
  // Not in the shared temporary folder, Node's default: what stands there may be another user's. Where it cannot be
  // written nothing is cached.
  module.enableCompileCache(path.join(root, "node_modules", ".cache", "compile"));
  await import(pathToFileURL(mainFile()).href);
} else {
  become(findNode(), [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { isServer });
}

/** A checkout runs its sources; a package has only what was built of them, and Node strips no types there. */
function mainFile() {
  const source = path.join(root, "src", "main.ts");
  const isInstalled = root.split(path.sep).includes("node_modules");
  return !isInstalled && existsSync(source) ? source : path.join(root, "dist", "main.js");
}
