// `npm test [-- <options of node --test>] [<files, folders or globs>]`: the tests, all where none is named, under a
// Node that can run them. An option's value goes with `=`. Tests with a gateway in their process run again with its other
// connection to upstreams; SLUICE_TEST_TRANSPORT (http2 or grpc-js) in the environment chooses one for a single run.
import fs from "node:fs"; // not by names: Node 20, which parses this file, has no globSync
import path from "node:path";
import { fileURLToPath } from "node:url";
import { become, findNode, isRightNode, root } from "./node.js";

const STARTS_GATEWAY = /\bstart(Test|Kinds)Gateway\b/;
// node --test ends well where it ran nothing; no-tests.js does not.
const NO_TESTS = ["--test-reporter=./bin/no-tests.js", "--test-reporter-destination=stderr"];

const args = process.argv.slice(2);
if (isRightNode) {
  process.chdir(root);
  // Once for all test files, since each runs in a process of its own; they find it in ETCD_BIN.
  const { findEtcd } = await import("../demo/etcd.ts");
  process.env.ETCD_BIN = await findEtcd();

  const options = args.filter((arg) => arg.startsWith("-"));
  const named = args.filter((arg) => !arg.startsWith("-"));
  // Without the glob the helpers in test/support would run as tests.
  const files = named.length === 0 ? ["test/**/*.test.ts"] : named.map(toGlob);
  const test = ["--test", "--test-reporter=spec", "--test-reporter-destination=stdout"];
  const again = process.env.SLUICE_TEST_TRANSPORT === undefined ? startingGateways(files) : [];
  become(process.execPath, [...test, ...NO_TESTS, ...options, ...files], {
    then(code) {
      if (again.length === 0) process.exit(code);
      console.log("\nAgain with gateways whose upstreams have `transport: grpc-js`:\n");
      // A name that was asked for may be found in other files alone, so here nothing need run.
      become(process.execPath, [...test, ...options, ...again], {
        env: { SLUICE_TEST_TRANSPORT: "grpc-js" },
        then: (codeAgain) => process.exit(code || codeAgain),
      });
    },
  });
} else {
  become(findNode(), [fileURLToPath(import.meta.url), ...args]);
}

/** @param {string} file */
function toGlob(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ? `${file}/**/*.test.ts` : file;
}

/**
 * The integration tests among these with a gateway in their process. What a gateway as a process of its own is for is not
 * the connection, and takes long.
 * @param {readonly string[]} globs
 */
function startingGateways(globs) {
  const folder = path.join("test", "integration") + path.sep;
  return fs
    .globSync(globs)
    .map((file) => path.relative("", file))
    .filter((file) => file.startsWith(folder) && STARTS_GATEWAY.test(fs.readFileSync(file, "utf8")));
}
