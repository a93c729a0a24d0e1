// `node bin/run.js scripts/x.ts …`: runs a TypeScript file under a Node that can.
import { become, fail, findNode } from "./node.js";

const args = process.argv.slice(2);
if (args.length === 0) fail("usage: node bin/run.js <file.ts> [arguments]");
become(findNode(), args);
