// `npm test [-- <options of node --test>] [<files, folders or globs>]`: the tests, all where none is named, under a
// Node that can run them. An option's value goes with `=`.
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { become, findNode, isRightNode, root } from "./node.js";

const args = process.argv.slice(2);
if (isRightNode) {
  process.chdir(root);
  // Once for all test files, since each runs in a process of its own; they find it in ETCD_BIN.
  const { findEtcd } = await import("../demo/etcd.ts");
  process.env.ETCD_BIN = await findEtcd();

  const options = args.filter((arg) => arg.startsWith("-"));
  const files = args.filter((arg) => !arg.startsWith("-"));
  become(process.execPath, [
    "--test",
    // node --test ends well where it ran nothing; no-tests.js does not.
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./bin/no-tests.js",
    "--test-reporter-destination=stderr",
    ...options,
    // Without the glob the helpers in test/support would run as tests.
    ...(files.length === 0 ? ["test/**/*.test.ts"] : files.map(toGlob)),
  ]);
} else {
  become(findNode(), [fileURLToPath(import.meta.url), ...args]);
}

/** @param {string} file */
function toGlob(file) {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ? `${file}/**/*.test.ts` : file;
}
