import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const entries = <T>(count: number, make: (index: number) => [string, T]): Record<string, T> =>
  Object.fromEntries(times(count, make));
const base64 = (length: number): string => Buffer.from(times(length, (i) => (i * 7) & 255)).toString("base64");
const wrappers = { text: "forest-green", integer: "1734", number: 52.5, flag: true, small: 7 };
const tree = (depth: number): JsonValue => (depth === 0 ? {} : { name: "level", child: tree(depth - 1) });

/** Messages of bench.v1.Shapes that are made of one kind of field each, as JSON. */
export const shapes: readonly (readonly [name: string, message: JsonObject])[] = [
  ["map of 100 strings", { labels: entries(100, (i) => [`label-${i}`, `value number ${i}`]) }],
  ["map of 100 int64", { counts: entries(100, (i) => [String(i * 1000), String(i * 1_000_000)]) }],
  [
    "Struct of 20 objects",
    { struct: entries(20, (i) => [`key${i}`, { id: i, name: "chair", tags: ["a", "b"], on: true, no: null }]) },
  ],
  ["1,000 prices", { doubles: times(1000, (i) => (i * 37) / 100) }],
  ["1,000 coordinates", { doubles: times(1000, (i) => (i * 1_234_567) / 1e7) }],
  ["1,000 doubles of 17 digits", { doubles: times(1000, (i) => Math.sin(i + 1)) }],
  ["1,000 floats", { floats: times(1000, (i) => Math.fround(Math.sin(i + 1))) }],
  ["1,000 int64", { integers: times(1000, (i) => String(BigInt(i) * 12_345_678_901_234n)) }],
  ["1,000 bools", { flags: times(1000, (i) => i % 3 === 0) }],
  ["100 timestamps", { times: times(100, (i) => `2026-10-${String((i % 28) + 1).padStart(2, "0")}T08:54:02.123Z`) }],
  ["wrappers, 5 and 50", { wrappers: { ...wrappers, texts: times(50, (i) => `text ${i}`) } }],
  ["90 levels", { tree: tree(90) }],
  ["50 groups", { groups: times(50, (i) => ({ name: `group ${i}`, delimited: { name: "inner" } })) }],
  ["100 short strings", { texts: times(100, (i) => `short string ${i}`) }],
  ["100 short strings, accents", { texts: times(100, (i) => `Größe und Änderung ${i}`) }],
  ["100 short strings, Cyrillic", { texts: times(100, (i) => `складное кресло ${i}`) }],
  ["100 short strings, quotes", { texts: times(100, (i) => `a "quoted" line ${i}\n`) }],
  ["text of 20 KB, ASCII", { text: "The quick brown fox jumps over it. ".repeat(580) }],
  ["text of 20 KB, Cyrillic", { text: "Съешь ещё этих булочек. ".repeat(480) }],
  ["text of 20 KB, line ends", { text: "The quick brown fox\n".repeat(1000) }],
  ["bytes, 30 KB", { data: base64(30_000) }],
  ["100 bytes of 32 B", { datas: times(100, () => base64(32)) }],
];
