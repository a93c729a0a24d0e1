import path from "node:path";

/**
 * A reporter for node --test that fails the run where no test ran: the glob matched nothing, no name matched, or all
 * were skipped.
 * @param {AsyncIterable<import("node:test/reporters").TestEvent>} events
 */
export default async function* noTests(events) {
  let ran = 0;
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const isSuite = data.details.type === "suite";
    // A file in which no test ran is told as a test named after it.
    const isFile = data.nesting === 0 && path.resolve(data.name) === data.file;
    if (!isSuite && !isFile && data.skip === undefined) ran++;
  }
  if (ran > 0) return;
  process.exitCode = 1;
  yield "no test ran\n";
}
