import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatProblem, problemsOf } from "../../../src/core/problem.ts";
import { parseProtoFiles } from "../../../src/schema/proto-files.ts";

const PROTO2 = 'syntax = "proto2";\n';
const PROTO3 = 'syntax = "proto3";\n';

/** What the tested file may import. */
const OTHERS: readonly (readonly [name: string, text: string])[] = [
  [
    "other.proto",
    `${PROTO3}package other; import "google/protobuf/descriptor.proto"; message Other {}
message Opt { string text = 1; int32 number = 2; oneof o { int32 left = 3; int32 right = 4; } Opt small = 5; }
extend google.protobuf.MessageOptions { Opt opt = 50000; int32 num = 50001; repeated Opt many = 50002; }`,
  ],
  ["user.proto", `${PROTO3}import "other.proto";`],
  ["cycle.proto", `${PROTO3}import "main.proto";`],
  ["local.proto", 'edition = "2024"; package loc; local message Hidden {}'],
  ["two.proto", `${PROTO2}package two; enum Closed { A = 0; } message Two { extensions 10; }`],
];

/** All problems of a file `main.proto`; none where it is accepted. */
function problemsIn(text: string): readonly string[] {
  const files = new Map([["/main.proto", text], ...OTHERS.map(([name, other]) => [`/${name}`, other] as const)]);
  const access = {
    read(file: string): Uint8Array | undefined {
      const found = files.get(file);
      return found === undefined ? undefined : Buffer.from(found);
    },
    list: () => [...files.keys()].map((file) => file.slice(1)),
  };
  try {
    parseProtoFiles({ files: ["main.proto"], include: ["/"] }, access);
    return [];
  } catch (error) {
    return (problemsOf(error) ?? []).map((problem) => formatProblem(problem).replace(/^\//, ""));
  }
}

type Row = readonly [text: string, ...problems: string[]];

function describeProblems(what: string, rows: readonly Row[]): void {
  describe(`parseProtoFiles(): problems with ${what}`, () => {
    for (const [text, ...problems] of rows) {
      it(`of ${JSON.stringify(text.replace(/^syntax.*\n/, ""))}`, () => assert.deepEqual(problemsIn(text), problems));
    }
  });
}

describeProblems("characters and literals", [
  [PROTO3 + "message M { string s = 1 /* open", 'main.proto:2:26: comment is not closed; expected "*/"'],
  [
    PROTO3 + "message M { string s = 1 [json_name = 'abc\n];}",
    "main.proto:2:39: string is not closed; expected ' on the same line",
  ],
  [PROTO3 + "message M { int32 a = 08; }", 'main.proto:2:23: octal number "08" has a digit above 7'],
  [PROTO3 + "message M { int32 a = 0x; }", 'main.proto:2:23: "0x" must be followed by hexadecimal digits'],
  [PROTO3 + "message M { int32 a = 1a; }", 'main.proto:2:23: malformed number "1a"'],
  [PROTO3 + 'message M { int32 a = 1 [json_name = "\\q"]; }', 'main.proto:2:39: unknown escape "\\q" in string'],
  [
    PROTO3 + 'message M { int32 a = 1 [json_name = "\\U00110000"]; }',
    'main.proto:2:39: "\\U00110000" is no Unicode character; the last is \\U0010ffff',
  ],
]);
describeProblems("syntax and edition", [
  [
    'syntax = "proto4";',
    'main.proto:1:10: unknown syntax "proto4"; expected "proto2" or "proto3"; did you mean "proto2"?',
  ],
  ['edition = "2025";', 'main.proto:1:11: unknown edition "2025"; expected 2023 or 2024'],
  ["syntax = proto3;", 'main.proto:1:10: expected "proto2" or "proto3" in quotes, found "proto3"'],
  [PROTO3 + 'syntax = "proto3";\n', 'main.proto:2:1: "syntax" must be the first statement of a file'],
  ["package a; package b;", "main.proto:1:12: a file has one package only"],
]);
describeProblems("statements", [
  [
    PROTO3 + "mesage M {}",
    'main.proto:2:1: expected "message", "enum", "service" or another statement, found "mesage"; did you mean "message"?',
  ],
  [PROTO3 + "}", 'main.proto:2:1: "}" closes nothing'],
  [PROTO3 + "message M {", 'main.proto:2:11: message "M" is not closed; expected "}"'],
  [PROTO3 + "message { }", 'main.proto:2:9: expected the name of a message, found "{"'],
  [PROTO3 + "message M { int32 = 1; }", 'main.proto:2:19: expected the name of a field, found "="'],
  [PROTO3 + "message M { int32 a; }", 'main.proto:2:20: expected "=" and a number after "a", found ";"'],
  [PROTO3 + "message M { int32 a = -1; }", 'main.proto:2:23: expected the number of a field, found "-"'],
  [PROTO3 + "message M { int32 a = 1 }", 'main.proto:2:25: expected ";" after the field, found "}"'],
  [
    PROTO3 + "message M { int32 a = 99999999999; }",
    "main.proto:2:23: 99999999999 does not fit into 32 bits; expected the number of a field",
  ],
  [
    PROTO3 + "message M { int32 a = x; } message N { int32 b 2; }",
    'main.proto:2:23: expected the number of a field, found "x"',
    'main.proto:2:48: expected "=" and a number after "b", found "2"',
  ],
  [
    PROTO2 + "message M { int32 a = 1; }",
    'main.proto:2:13: expected "optional", "required" or "repeated" before the type, found "int32"',
  ],
  [
    PROTO3 + "message M { oneof o { repeated int32 a = 1; } }",
    'main.proto:2:23: a field of a oneof cannot be "repeated"',
  ],
  [
    PROTO3 + "message M { oneof o { map<string, string> a = 1; } }",
    "main.proto:2:23: a map field cannot be in a oneof",
  ],
  [PROTO3 + "message M { repeated map<string, string> a = 1; }", "main.proto:2:22: a map field has no label"],
  [
    PROTO3 + "message M { map<float, string> a = 1; }",
    "main.proto:2:17: the key of a map is an integer, a bool or a string",
  ],
  [PROTO3 + "message M { oneof o {} }", 'main.proto:2:19: oneof "o" has no field'],
  [PROTO2 + "message M { extend M {} }", 'main.proto:2:20: extension of "M" has no field'],
  [
    PROTO3 + "service S { rpc A(B) return (C); }",
    'main.proto:2:22: expected "returns" after the request, found "return"',
  ],
  [PROTO3 + "service S { rp A(B) returns (C); }", 'main.proto:2:13: expected "rpc", "option" or "}", found "rp"'],
  [PROTO3 + "message M { reserved a; }", 'main.proto:2:22: names are reserved in quotes before editions, found "a"'],
  [
    'edition = "2023"; message M { reserved "a"; optional int32 b = 1; required int32 c = 2; }',
    'main.proto:1:40: names are reserved without quotes in editions, found "a"',
    'main.proto:1:45: editions have no "optional"; leave it out',
    'main.proto:1:67: editions have no "required"; use features.field_presence = LEGACY_REQUIRED',
  ],
  [
    PROTO2 + "message M { optional group g = 1 {} }",
    'main.proto:2:28: the name of a group begins with a capital letter, found "g"',
  ],
  [PROTO3 + "enum E { }", 'main.proto:2:6: enum "E" has no value'],
  [PROTO3 + "enum E { A = 1; }", "main.proto:2:10: the first value of an open enum must be 0, found A = 1"],
  [
    PROTO3 + "enum E { A = 0; B = 0; }",
    "main.proto:2:17: B and A have the same number 0; option allow_alias = true makes that legal",
  ],
  [PROTO3 + "enum E { option allow_alias = true; A = 0; }", 'main.proto:2:6: enum "E" allows aliases and has none'],
  [
    PROTO3 + 'enum E { A = 0; reserved 0, 5 to max; reserved "B"; B = 7; }',
    "main.proto:2:10: number 0 of A is reserved",
    "main.proto:2:53: number 7 of B is reserved",
  ],
]);
describeProblems("imports", [
  [
    PROTO3 + 'import "missing.proto";',
    'main.proto:2:8: "missing.proto" is not found; looked in /; did you mean "main.proto"?',
  ],
  [
    PROTO3 + 'import "other.prto";',
    'main.proto:2:8: "other.prto" is not found; looked in /; did you mean "other.proto"?',
  ],
  [
    PROTO3 + 'import "../x.proto";',
    'main.proto:2:8: "../x.proto" is no name to import; expected a path below an include folder, with "/" between its parts',
  ],
  [PROTO3 + 'import "other.proto"; import "other.proto";', 'main.proto:2:30: "other.proto" is imported twice'],
  [PROTO3 + 'import "main.proto";', 'main.proto:2:8: files import each other: "main.proto" imports "main.proto"'],
  [
    PROTO3 + 'import "cycle.proto";',
    'cycle.proto:2:8: files import each other: "main.proto" imports "cycle.proto" imports "main.proto"',
  ],
  [PROTO3 + 'import option "other.proto";', 'main.proto:2:8: "import option" needs edition 2024'],
  [PROTO3 + "import other.proto;", 'main.proto:2:8: expected the name of a file in quotes, found "other"'],
]);
describeProblems("names", [
  [
    PROTO3 + "message Shelf {} message Book { Shef shelf = 1; }",
    'main.proto:2:33: unknown type "Shef"; did you mean "Shelf"?',
  ],
  [
    PROTO3 + 'import "user.proto"; message M { other.Other o = 1; }',
    'main.proto:2:34: "other.Other" is defined in "other.proto", which "main.proto" does not import',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { other.Otter o = 1; }',
    'main.proto:2:35: unknown type "other.Otter"; did you mean "other.Other"?',
  ],
  [
    PROTO3 + "package a.b; message a { } message M { a.c.D x = 1; }",
    'main.proto:2:40: "a.c.D" means "a.b.a.c.D" here, which does not exist; ".a.c.D" starts from the outermost scope',
  ],
  [PROTO3 + "message M { N n = 1; } service N {}", 'main.proto:2:13: "N" is a service; expected a message or an enum'],
  [
    PROTO3 + "service S { rpc A(E) returns (M); } enum E { Z = 0; } message M {}",
    'main.proto:2:19: "E" is an enum; expected a message',
  ],
  [
    PROTO3 + "message M {} enum M { Z = 0; }",
    'main.proto:2:19: enum "M" is already defined as a message at /main.proto:2:9',
  ],
  [
    PROTO3 + "enum A { UNKNOWN = 0; } enum B { UNKNOWN = 0; }",
    'main.proto:2:34: enum value "UNKNOWN" is already defined as an enum value at /main.proto:2:10; enum values are names of the scope around their enum',
  ],
  [
    PROTO3 + 'import "other.proto"; package other; message Other {}',
    'main.proto:2:46: message "other.Other" is already defined as a message at /other.proto:2:67',
  ],
  [
    PROTO3 + 'import "local.proto"; message M { loc.Hidden h = 1; }',
    'main.proto:2:35: message "loc.Hidden" is local to "local.proto"; only "export message" can be used here',
  ],
]);
describeProblems("numbers, ranges and reserved names", [
  [
    PROTO3 + "message M { int32 a = 1; int32 b = 1; int32 c = 2; }",
    'main.proto:2:32: number 1 of "b" is already that of "a"; the next free one is 3',
  ],
  [
    PROTO3 + "message M { int32 a = 0; int32 b = 19000; int32 c = 536870912; }",
    'main.proto:2:19: number 0 of "a" is out of range; expected 1 to 536870911',
    'main.proto:2:32: number 19000 of "b" is one of protobuf\'s own, 19000 to 19999',
    'main.proto:2:49: number 536870912 of "c" is out of range; expected 1 to 536870911',
  ],
  [
    PROTO3 + 'message M { reserved 1, 3 to 5; reserved "b"; int32 a = 4; int32 b = 6; }',
    'main.proto:2:53: number 4 of "a" is reserved',
    'main.proto:2:66: field name "b" is reserved',
  ],
  [
    PROTO2 + "message M { extensions 10 to 20; optional int32 a = 10; reserved 15; extensions 9 to 5; }",
    "main.proto:2:24: range 10 to 20 overlaps another one",
    'main.proto:2:49: number 10 of "a" is within an extension range',
    "main.proto:2:81: range ends at 5, before its start 9",
  ],
  [
    PROTO2 +
      "message M { extensions 10; } extend M { optional int32 a = 11; optional int32 b = 10; optional int32 c = 10; required int32 d = 10; }",
    'main.proto:2:56: "M" has no extension range with number 11 of "a"',
    'main.proto:2:102: number 10 of "M" is already extension "b"',
    'main.proto:2:125: extension "d" cannot be required',
  ],
  [
    PROTO3 + "enum E { A = 0; reserved 5 to 2, 7 to 9, -1, 8; }",
    "main.proto:2:26: range ends at 2, before its start 5",
    "main.proto:2:46: range 8 to 8 overlaps another one",
  ],
  [
    PROTO3 + "message M { int32 foo_bar = 1; int32 fooBar = 2; }",
    'main.proto:2:38: "fooBar" and "foo_bar" have the same default JSON name "fooBar"',
  ],
  [
    PROTO3 + 'message M { int32 a = 1 [json_name = "b"]; int32 b = 2; }',
    'main.proto:2:50: "b" and "a" have the same JSON name "b"',
  ],
  [
    PROTO3 + 'message M { int32 a = 1 [json_name = "[x]"]; }',
    'main.proto:2:19: JSON name "[x]" of "a" looks like that of an extension',
  ],
]);
describeProblems("proto3", [
  [
    PROTO3 + "message M { required int32 a = 1; int32 b = 2 [default = 1]; extensions 5; }",
    'main.proto:2:28: proto3 has no required fields, found "a"',
    'main.proto:2:41: proto3 has no default values, found one of "b"',
    "main.proto:2:73: proto3 has no extension ranges",
  ],
  [
    PROTO3 + 'import "two.proto"; message M { two.Closed c = 1; } extend two.Two { int32 x = 10; }',
    'main.proto:2:44: "c" is in proto3 and cannot be of the closed enum "two.Closed"',
    'main.proto:2:76: proto3 has extensions of options only, found one of "two.Two"',
  ],
]);
describeProblems("options", [
  [
    PROTO3 + 'option java_pakage = "x"; option deprecated = 1; option optimize_for = FAST;',
    'main.proto:2:8: google.protobuf.FileOptions has no option "java_pakage"; did you mean "java_package"?',
    'main.proto:2:47: "google.protobuf.FileOptions.deprecated" takes true or false, found 1',
    'main.proto:2:72: enum "google.protobuf.FileOptions.OptimizeMode" has no value FAST',
  ],
  [
    PROTO3 + "message M { int32 a = 1 [packed = true]; }",
    'main.proto:2:19: "a" cannot be packed; only repeated numbers, bools and enums can',
  ],
  [
    PROTO3 + "message M { option (http) = 1; option features.enum_type = OPEN; option map_entry = true; }",
    'main.proto:2:20: unknown option "(http)"; is the file that defines it imported?',
    "main.proto:2:39: features need an edition; this file is proto2 or proto3",
    'main.proto:2:73: "map_entry" is not for hand-written messages; use map<KeyType, ValueType>',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { text: 1 }; }',
    'main.proto:2:64: "other.Opt.text" takes a string in quotes, found 1',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { nope: 1 }; }',
    'main.proto:2:58: message "other.Opt" has no field "nope"',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { number: 1 number: 2 }; }',
    'main.proto:2:68: "other.Opt.number" is set twice',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { text "x" }; }',
    'main.proto:2:63: expected ":" after "text", found the string "x"',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { left: 1 right: 2 }; }',
    'main.proto:2:66: "right" and "left" are both of oneof "o"',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { number: [1] }; }',
    'main.proto:2:58: "other.Opt.number" is not repeated and takes no list',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { number: 99999999999 }; }',
    'main.proto:2:66: "other.Opt.number" takes an integer from -2147483648 to 2147483647, found 99999999999',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { [a.b]: 1 }; }',
    'main.proto:2:58: message "other.Opt" has no extension "a.b"',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { small: 1 }; }',
    'main.proto:2:65: "other.Opt.small" takes a message in braces, found 1',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { number: {} }; }',
    'main.proto:2:66: "other.Opt.number" is no message, found a message in braces',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = 5; }',
    'main.proto:2:56: option "other.opt" takes a message in braces, found 5',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt).numbr = 1; }',
    'main.proto:2:54: other.Opt has no option "numbr"; did you mean "number"?',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num) = {}; }',
    'main.proto:2:56: option "other.num" is no message, found a message in braces',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num) = 1; option (other.num) = 2; }',
    'main.proto:2:66: option "(other.num)" is set twice',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt).number = 1; option (other.opt) = {}; }',
    'main.proto:2:73: option "(other.opt)" is set twice',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.opt) = { number: 1 }; option (other.opt).number = 2; }',
    'main.proto:2:78: option "(other.opt).number" is set twice',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.many).text = "x"; }',
    'main.proto:2:42: option "other.many" is repeated; set each of its messages in braces',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num).x = 1; }',
    'main.proto:2:42: option "other.num" is no message and has no fields',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.Other) = 1; }',
    'main.proto:2:42: "(other.Other)" is no extension of google.protobuf.MessageOptions',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num) = 1.5; }',
    'main.proto:2:56: "other.num" takes an integer from -2147483648 to 2147483647, found 1.5',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num) = -2147483649; }',
    'main.proto:2:56: "other.num" takes an integer from -2147483648 to 2147483647, found -2147483649',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (other.num) = "1"; }',
    'main.proto:2:56: "other.num" takes an integer from -2147483648 to 2147483647, found "1"',
  ],
  [
    PROTO3 + 'import "other.proto"; message M { option (othr.num) = 1; }',
    'main.proto:2:42: unknown option "(othr.num)"; did you mean "other.num"?',
  ],
  [
    PROTO2 + "message M { optional int32 a = 1 [default = 2147483648]; }",
    "main.proto:2:45: default value 2147483648 is out of range; expected -2147483648 to 2147483647",
  ],
  [PROTO2 + "message M { optional int32 a = 1 [default = 1.5]; }", 'main.proto:2:45: expected an integer, found "1.5"'],
  [
    PROTO2 + "message M { optional uint32 a = 1 [default = -1]; enum E { AA = 0; BBB = 1; } }",
    "main.proto:2:46: default value -1 is out of range; expected 0 to 4294967295",
  ],
  [
    PROTO2 + "message M { optional bool a = 1 [default = yes]; enum E { AA = 0; BBB = 1; } }",
    'main.proto:2:44: expected "true" or "false", found "yes"',
  ],
  [
    PROTO2 + "message M { optional string a = 1 [default = 1]; enum E { AA = 0; BBB = 1; } }",
    'main.proto:2:46: expected a string, found "1"',
  ],
  [
    PROTO2 + 'message M { optional float a = 1 [default = "x"]; enum E { AA = 0; BBB = 1; } }',
    'main.proto:2:45: expected a number, found the string "x"',
  ],
  [
    PROTO2 + "message M { optional M a = 1 [default = x]; enum E { AA = 0; BBB = 1; } }",
    'main.proto:2:22: "a" is a message and cannot have a default value',
  ],
  [
    PROTO2 + "message M { optional E a = 1 [default = BB]; enum E { AA = 0; BBB = 1; } }",
    'main.proto:2:22: enum "M.E" has no value BB for the default of "a"; did you mean "BBB"?',
  ],
  [
    PROTO2 + "message M { repeated int32 a = 1 [default = 1]; }",
    'main.proto:2:28: "a" is repeated and cannot have a default value',
  ],
  [
    PROTO3 + "message M { int32 a = 1 [deprecated = true, deprecated = true]; }",
    'main.proto:2:45: option "deprecated" is set twice',
  ],
  [
    'edition = "2023"; message M { option features.message_encoding = DELIMITED; int32 a = 1 [features.field_presense = IMPLICIT]; repeated int32 b = 2 [packed = true]; }',
    'main.proto:1:47: option "message_encoding" cannot be among MessageOptions',
    'main.proto:1:99: google.protobuf.FeatureSet has no option "field_presense"; did you mean "field_presence"?',
    'main.proto:1:142: editions have no option "packed"; use features.repeated_field_encoding',
  ],
  [
    PROTO3 +
      'import "google/api/annotations.proto"; message M {} service S { rpc A(M) returns (M) { option (google.api.http) = { gett: "/v1" }; } rpc B(M) returns (M) { option (google.api.htp) = { get: "/v1" }; } rpc C(M) returns (M) { option (google.api.http) = { get: "/v1" post: "/v2" }; } }',
    'main.proto:2:117: message "google.api.HttpRule" has no field "gett"; did you mean "get"?',
    'main.proto:2:164: unknown option "(google.api.htp)"; did you mean "google.api.http"?',
    'main.proto:2:264: "post" and "get" are both of oneof "pattern"',
  ],
  [
    PROTO3 + 'message M {} service S { rpc A(M) returns (M) { option (google.api.http) = { get: "/v1" }; } }',
    'main.proto:2:56: option "(google.api.http)" is defined in "google/api/annotations.proto", which "main.proto" does not import',
  ],
]);

describe("parseProtoFiles(): hostile input", () => {
  const nested = (depth: number): string => PROTO3 + "message M {".repeat(depth) + "}".repeat(depth);
  const aggregate = (depth: number): string =>
    `${PROTO3}import "other.proto"; message M { option (other.opt) = ${"{ small ".repeat(depth)}{}${"}".repeat(depth)}; }`;

  it("takes messages nested 31 deep as protoc does, and no deeper", () => {
    assert.deepEqual(problemsIn(nested(31)), []);
    assert.deepEqual(problemsIn(nested(32)), ["main.proto:2:352: messages are nested deeper than 31 levels"]);
    assert.match(problemsIn(nested(50_000))[0] ?? "", /nested deeper than 31 levels$/);
  });

  it("takes option values nested 100 deep, and no deeper", () => {
    assert.deepEqual(problemsIn(aggregate(99)), []);
    assert.match(problemsIn(aggregate(100))[0] ?? "", /option value is nested deeper than 100 levels$/);
    assert.match(problemsIn(aggregate(50_000))[0] ?? "", /option value is nested deeper than 100 levels$/);
  });

  it("refuses a file larger than 4 MiB", () => {
    assert.deepEqual(problemsIn(" ".repeat(4 * 1024 * 1024 + 1)), [
      'main.proto: "/main.proto" is larger than 4194304 bytes',
    ]);
  });

  it("takes names that mean something to JavaScript", () => {
    const text = `${PROTO3}message __proto__ { constructor toString = 1; __proto__ hasOwnProperty = 2; int32 __proto__ = 3; }
      message constructor {}`;
    assert.deepEqual(problemsIn(text), []);
  });

  it("reports 50 problems and no more", () => {
    const text = PROTO3 + Array.from({ length: 200 }, (_, index) => `message M${index} { Missing a = 1; }`).join("\n");
    assert.equal(problemsIn(text).length, 50);
  });
});
