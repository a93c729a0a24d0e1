import { describe } from "node:test";
import { type Accepted, checkAccepted, checkRefused, type Refused } from "../../support/json-rules.ts";

// The rules of ProtoJSON (protobuf.dev/programming-guides/json) one by one, in its order; how far each goes is in
// json-rules-edges.test.ts.

const INTEGERS = ["int32", "uint32", "sint32", "fixed32", "sfixed32"];
const WIDE = ["int64", "uint64", "sint64", "fixed64", "sfixed64"];
const SIGNED = ["int32", "sint32", "sfixed32", "int64", "sint64", "sfixed64"];
const capital = (kind: string): string => `a${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
const MAX: Readonly<Record<string, string>> = {
  int32: "2147483647",
  sint32: "2147483647",
  sfixed32: "2147483647",
  uint32: "4294967295",
  fixed32: "4294967295",
  int64: "9223372036854775807",
  sint64: "9223372036854775807",
  sfixed64: "9223372036854775807",
  uint64: "18446744073709551615",
  fixed64: "18446744073709551615",
};
const DOUBLE_ROUNDS = "protobuf-es reads a JSON number as a double first";
const BIGINT = "protobuf-es reads what BigInt reads";
const LOOSE_NUMBER = "protobuf-es reads what JavaScript's Number reads";

function integerRows(): Accepted[] {
  return [...INTEGERS, ...WIDE].flatMap((kind) => {
    const isWide = WIDE.includes(kind);
    const max = MAX[kind] as string;
    const name = capital(kind);
    const row = (rule: string, value: string, written: string, apart?: string): Accepted => ({
      rule: `${kind}: ${rule}`,
      type: "Scalars",
      json: `{"${name}":${value}}`,
      canonical: `{"${name}":${isWide ? `"${written}"` : written}}`,
      ...(apart === undefined ? {} : { apart }),
    });
    return [
      row("a number", "7", "7"),
      row("the same in quotes", '"7"', "7"),
      row("the largest", `"${max}"`, max),
      row("the largest as a number", max, max, isWide ? DOUBLE_ROUNDS : undefined),
      row("a fraction of zero", "1.0", "1"),
      row("an exponent", "1e2", "100"),
      row("an exponent that makes a fraction whole", "1.25e2", "125"),
      ...(isWide ? [] : [row("an exponent in quotes", '"1e2"', "100")]),
      ...(SIGNED.includes(kind) ? [row("below zero", "-7", "-7")] : []),
      ...(SIGNED.includes(kind) ? [row("the smallest", `"-${BigInt(max) + 1n}"`, `-${BigInt(max) + 1n}`)] : []),
    ];
  });
}

function integerRefusals(): Refused[] {
  return [...INTEGERS, ...WIDE].flatMap((kind) => {
    const name = capital(kind);
    const isWide = WIDE.includes(kind);
    const max = MAX[kind] as string;
    const row = (rule: string, value: string, apart?: string): Refused => ({
      rule: `${kind}: ${rule}`,
      type: "Scalars",
      json: `{"${name}":${value}}`,
      as: `FIELD_INVALID ${name}`,
      ...(apart === undefined ? {} : { apart }),
    });
    return [
      row("one too many", `"${BigInt(max) + 1n}"`),
      row("below the range", SIGNED.includes(kind) ? `"-${BigInt(max) + 2n}"` : "-1"),
      row("a fraction", "0.5"),
      row("an empty string", '""'),
      row("space in quotes", '" 1"', isWide ? BIGINT : undefined),
      row("a plus in quotes", '"+1"', isWide ? BIGINT : LOOSE_NUMBER),
      row("hexadecimal", '"0x10"', isWide ? BIGINT : LOOSE_NUMBER),
      row("a word", '"seven"'),
      row("a bool", "true"),
      row("an object", "{}"),
      row("a list", "[1]"),
    ];
  });
}

const B64 = "YW55IGNhcm5hbCBwbGVhc3U";

const accepted: readonly Accepted[] = [
  { rule: "message: an object of its fields", type: "Tree", json: '{"name":"a","left":{"name":"b"}}' },
  { rule: "message: empty", type: "Tree", json: "{}" },
  { rule: "message: a field that is set and empty", type: "Tree", json: '{"left":{}}' },
  {
    rule: "names: lowerCamelCase",
    type: "Names",
    json: '{"snakeCase":1,"UPPERCase":2,"doubleScore":5,"with1Digit":6}',
  },
  { rule: "names: a leading and a trailing underscore", type: "Names", json: '{"Leading":3,"trailing":4}' },
  {
    rule: "names: as in the .proto file",
    type: "Names",
    json: '{"snake_case":1,"UPPER_case":2,"_leading":3,"trailing_":4,"double__score":5}',
    canonical: '{"snakeCase":1,"UPPERCase":2,"Leading":3,"trailing":4,"doubleScore":5}',
  },
  { rule: "names: json_name", type: "Names", json: '{"@other":8}' },
  { rule: "names: proto name beside json_name", type: "Names", json: '{"renamed":8}', canonical: '{"@other":8}' },
  { rule: "names: escapes", type: "Names", json: '{"\\"\\\\/\\n\\u00fc\\u2028":9}' },
  { rule: "names: escaped by the client", type: "Names", json: '{"\\u0073nakeCase":1}', canonical: '{"snakeCase":1}' },
  { rule: "names: an empty one, of a field `_`", type: "Names", json: '{"":12}' },
  { rule: "names: those of JavaScript", type: "Names", json: '{"__proto__":10,"constructor":11}' },
  { rule: "null: a field that is not set", type: "Scalars", json: '{"aInt32":null,"aString":null}', canonical: "{}" },
  {
    rule: "null: a message, a list, a map",
    type: "Tree",
    json: '{"left":null,"children":null,"byName":null}',
    canonical: "{}",
  },
  { rule: "null: a oneof", type: "Pick", json: '{"aInt32":null,"aString":"x"}', canonical: '{"aString":"x"}' },
  { rule: "enum: its name", type: "Scalars", json: '{"aColor":"COLOR_RED"}' },
  { rule: "enum: its number", type: "Scalars", json: '{"aColor":1}', canonical: '{"aColor":"COLOR_RED"}' },
  { rule: "enum: an alias", type: "Scalars", json: '{"aColor":"COLOR_CRIMSON"}', canonical: '{"aColor":"COLOR_RED"}' },
  { rule: "enum: an unknown number", type: "Scalars", json: '{"aColor":77}' },
  { rule: "enum: below zero", type: "Scalars", json: '{"aColor":-1}', canonical: '{"aColor":"COLOR_BELOW"}' },
  { rule: "enum: 1.0", type: "Scalars", json: '{"aColor":1.0}', canonical: '{"aColor":"COLOR_RED"}' },
  { rule: "map: keys are strings", type: "MapKeys", json: '{"aString":{"":"a","b":"c"}}' },
  ...INTEGERS.map((kind) => ({
    rule: `map: ${kind} keys`,
    type: "MapKeys",
    json: `{"${capital(kind)}":{"0":"a","7":"b"}}`,
  })),
  ...WIDE.map((kind) => ({
    rule: `map: ${kind} keys`,
    type: "MapKeys",
    json: `{"${capital(kind)}":{"0":"a","7":"b"}}`,
  })),
  { rule: "map: bool keys", type: "MapKeys", json: '{"aBool":{"true":"a","false":"b"}}' },
  { rule: "map: empty", type: "MapKeys", json: '{"aBool":{}}', canonical: "{}" },
  {
    rule: "map: defaults are values",
    type: "MapValues",
    json: '{"aInt32":{"a":0},"aString":{"":""},"aBool":{"b":false},"aColor":{"c":"COLOR_UNSPECIFIED"},"aMessage":{"d":{}}}',
  },
  ...[...INTEGERS, ...WIDE].map((kind) => ({
    rule: `map: ${kind} values`,
    type: "MapValues",
    json: `{"${capital(kind)}":{"k":${WIDE.includes(kind) ? '"7"' : "7"}}}`,
  })),
  { rule: "map: of messages", type: "Tree", json: '{"byName":{"a":{"byName":{"b":{}}}}}' },
  {
    rule: "repeated: a list",
    type: "Lists",
    json: '{"aInt32":[1,0,2],"aString":["","a"],"aBool":[true,false],"aColor":["COLOR_RED",7]}',
  },
  { rule: "repeated: empty", type: "Lists", json: '{"aInt32":[]}', canonical: "{}" },
  { rule: "repeated: of messages", type: "Lists", json: '{"aMessage":[{},{"aInt32":1}]}' },
  { rule: "bool", type: "Optionals", json: '{"aBool":true}' },
  { rule: "bool: false with presence", type: "Optionals", json: '{"aBool":false}' },
  { rule: "bool: false without", type: "Scalars", json: '{"aBool":false}', canonical: "{}" },
  {
    rule: "string: any text",
    type: "Scalars",
    json: '{"aString":"ü\\u2028😀\\"\\\\\\b\\f\\n\\r\\t\\u0001"}',
    canonical: '{"aString":"ü\u2028😀\\"\\\\\\b\\f\\n\\r\\t\\u0001"}',
  },
  {
    rule: "string: a surrogate pair",
    type: "Scalars",
    json: '{"aString":"\\ud83d\\ude00"}',
    canonical: '{"aString":"😀"}',
  },
  { rule: "string: U+0000", type: "Scalars", json: '{"aString":"\\u0000"}' },
  { rule: "string: an escaped slash", type: "Scalars", json: '{"aString":"\\/"}', canonical: '{"aString":"/"}' },
  { rule: "bytes: base64 with padding", type: "Scalars", json: `{"aBytes":"${B64}="}` },
  { rule: "bytes: without padding", type: "Scalars", json: `{"aBytes":"${B64}"}`, canonical: `{"aBytes":"${B64}="}` },
  { rule: "bytes: base64url", type: "Scalars", json: '{"aBytes":"-_-_"}', canonical: '{"aBytes":"+/+/"}' },
  { rule: "bytes: empty, with presence", type: "Optionals", json: '{"aBytes":""}' },
  ...integerRows(),
  ...["float", "double"].flatMap((kind): Accepted[] => {
    const name = capital(kind);
    const row = (rule: string, value: string, written = value): Accepted => ({
      rule: `${kind}: ${rule}`,
      type: "Optionals",
      json: `{"${name}":${value}}`,
      canonical: `{"${name}":${written}}`,
    });
    return [
      row("a number", "1.5"),
      row("in quotes", '"1.5"', "1.5"),
      row("an exponent", "1e3", "1000"),
      row("a large exponent", "1e30", "1e+30"),
      row("a small one", "1.5e-7"),
      row("minus zero", "-0"),
      row("zero", "0"),
      row("NaN", '"NaN"'),
      row("Infinity", '"Infinity"'),
      row("-Infinity", '"-Infinity"'),
      row("too small", "1e-400", "0"),
    ];
  }),
  { rule: "double: the shortest that reads back", type: "Scalars", json: '{"aDouble":0.1,"aFloat":0.1}' },
  { rule: "double: the largest", type: "Scalars", json: '{"aDouble":1.7976931348623157e+308}' },
  { rule: "double: the smallest", type: "Scalars", json: '{"aDouble":5e-324}' },
  { rule: "float: the largest", type: "Scalars", json: '{"aFloat":3.4028235e+38}' },
  { rule: "double: minus zero is no default", type: "Scalars", json: '{"aDouble":-0}' },
  {
    rule: "Any: @type and the fields",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/test.json.Tree","name":"a"}}',
  },
  {
    rule: "Any: @type may come last",
    type: "WellKnown",
    json: '{"any":{"name":"a","@type":"type.googleapis.com/test.json.Tree"}}',
    canonical: '{"any":{"@type":"type.googleapis.com/test.json.Tree","name":"a"}}',
  },
  {
    rule: "Any: well-known types under value",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}',
  },
  {
    rule: "Any: wrappers under value",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"7"}}',
  },
  {
    rule: "Any: of Value",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":{"a":null}}}',
  },
  {
    rule: "Any: of Any",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/test.json.Tree","name":"a"}}}',
  },
  {
    rule: "Any: of Empty, which has no JSON of its own",
    type: "WellKnown",
    json: '{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}',
  },
  { rule: "Any: empty", type: "WellKnown", json: '{"any":{}}' },
  { rule: "Timestamp: Z", type: "WellKnown", json: '{"time":"1972-01-01T10:00:20Z"}' },
  {
    rule: "Timestamp: 3, 6 and 9 decimals",
    type: "WellKnown",
    json: '{"times":["1972-01-01T10:00:20.021Z","1972-01-01T10:00:20.000021Z","1972-01-01T10:00:20.000000021Z"]}',
  },
  {
    rule: "Timestamp: offsets become Z",
    type: "WellKnown",
    json: '{"time":"1972-01-01T10:00:20.5-08:00"}',
    canonical: '{"time":"1972-01-01T18:00:20.500Z"}',
  },
  {
    rule: "Timestamp: the first and the last",
    type: "WellKnown",
    json: '{"times":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z"]}',
  },
  { rule: "Duration", type: "WellKnown", json: '{"duration":"1.000340012s"}' },
  { rule: "Duration: whole seconds", type: "WellKnown", json: '{"duration":"1s"}' },
  { rule: "Duration: below zero", type: "WellKnown", json: '{"duration":"-0.500s"}' },
  { rule: "Duration: the ends", type: "WellKnown", json: '{"durations":{"a":"315576000000s","b":"-315576000000s"}}' },
  { rule: "FieldMask", type: "WellKnown", json: '{"mask":"user.displayName,photo"}' },
  { rule: "FieldMask: empty", type: "WellKnown", json: '{"mask":""}' },
  { rule: "Struct: any object", type: "WellKnown", json: '{"struct":{"a":null,"b":[1,true,"c",{}],"d":{"e":[]}}}' },
  { rule: "Struct: in lists", type: "WellKnown", json: '{"structs":[{},{"a":1}],"lists":[[],[[1]]]}' },
  { rule: "ListValue: any list", type: "WellKnown", json: '{"list":[null,1.5,{"a":[]}]}' },
  { rule: "Value: null", type: "WellKnown", json: '{"value":null}' },
  {
    rule: "Value: each kind, in lists and maps",
    type: "WellKnown",
    json: '{"values":[null,1,"a",false,{},[]],"valueMap":{"a":null,"b":2}}',
  },
  { rule: "NullValue: null", type: "WellKnown", json: '{"nulls":[null],"optionalNull":null}' },
  { rule: "NullValue: without presence it is the default", type: "WellKnown", json: '{"null":null}', canonical: "{}" },
  {
    rule: "NullValue: its name or number",
    type: "WellKnown",
    json: '{"nulls":["NULL_VALUE",0]}',
    canonical: '{"nulls":[null,null]}',
  },
  { rule: "NullValue: in a oneof null is a value", type: "Pick", json: '{"aNull":null}' },
  { rule: "Value: in a oneof null is a value", type: "Pick", json: '{"aValue":null}' },
  { rule: "Empty", type: "WellKnown", json: '{"empty":{}}' },
  {
    rule: "wrappers: as the type they wrap",
    type: "Wrappers",
    json: '{"aDouble":1.5,"aFloat":"NaN","anInt64":"7","aUint64":"8","anInt32":9,"aUint32":10,"aBool":true,"aString":"a","aBytes":"YQ=="}',
  },
  {
    rule: "wrappers: defaults are kept",
    type: "Wrappers",
    json: '{"aDouble":0,"anInt64":"0","anInt32":0,"aBool":false,"aString":"","aBytes":""}',
  },
  { rule: "wrappers: null is not set", type: "Wrappers", json: '{"aDouble":null,"aString":null}', canonical: "{}" },
  { rule: "wrappers: in lists and maps", type: "Wrappers", json: '{"list":[0,1],"map":{"a":"0","b":"2"}}' },
  { rule: "wrappers: in a oneof", type: "Pick", json: '{"aWrapper":""}' },
  ...["aInt32", "aBool", "aString", "aMessage", "aColor"].map((name) => ({
    rule: `oneof: ${name} at its default is set`,
    type: "Pick",
    json: `{"${name}":${{ aInt32: "0", aBool: "false", aString: '""', aMessage: "{}" }[name] ?? '"COLOR_UNSPECIFIED"'}}`,
  })),
  {
    rule: "optional: defaults are written",
    type: "Optionals",
    json: '{"aInt32":0,"aInt64":"0","aString":"","aColor":"COLOR_UNSPECIFIED","aMessage":{}}',
  },
  { rule: "proto2: defaults are written where set", type: "Old", json: '{"required":0,"withDefault":7}' },
  {
    rule: "proto2: groups are messages",
    type: "Old",
    json: '{"required":1,"data":{"text":"a","number":[1]},"item":[{},{"text":"b"}]}',
  },
  {
    rule: "proto2: closed enums",
    type: "Old",
    json: '{"required":1,"closed":"CLOSED_TWO","closeds":["CLOSED_ONE"],"byName":{"a":"CLOSED_TWO"}}',
  },
  { rule: "proto2: packed and not", type: "Old", json: '{"required":1,"expanded":[1,2],"packed":[3,4]}' },
  {
    rule: "extensions: by full name in brackets",
    type: "Old",
    json: '{"required":1,"[test.json.number_ext]":5,"[test.json.texts_ext]":["a"],"[test.json.Scope.inner]":"b"}',
  },
  {
    rule: "extensions: of messages and enums",
    type: "Old",
    json: '{"required":1,"[test.json.old_ext]":{"required":2},"[test.json.closed_ext]":"CLOSED_ONE"}',
  },
  {
    rule: "white space around any token",
    type: "Tree",
    json: ' {\t"name" :\r\n"a" , "children":[ { } ] }\n',
    canonical: '{"name":"a","children":[{}]}',
  },
  {
    rule: "ignored: unknown fields of any shape",
    type: "Tree",
    lenient: true,
    json: '{"nope":{"a":[1,{"b":null}]},"name":"a"}',
    canonical: '{"name":"a"}',
  },
  { rule: "ignored: unknown enum names", type: "Scalars", lenient: true, json: '{"aColor":"NEW"}', canonical: "{}" },
  {
    rule: "ignored: unknown enum names with presence",
    type: "Optionals",
    lenient: true,
    json: '{"aColor":"NEW"}',
    canonical: "{}",
  },
  {
    rule: "ignored: unknown enum names in lists",
    type: "Lists",
    lenient: true,
    json: '{"aColor":["NEW","COLOR_RED","NEW"]}',
    canonical: '{"aColor":["COLOR_RED"]}',
  },
  {
    rule: "ignored: unknown enum names in maps",
    type: "MapValues",
    lenient: true,
    json: '{"aColor":{"a":"NEW","b":"COLOR_RED"}}',
    canonical: '{"aColor":{"b":"COLOR_RED"}}',
  },
  {
    rule: "ignored: unknown enum names in oneofs",
    type: "Pick",
    lenient: true,
    json: '{"aColor":"NEW","child":{"aColor":"NEW"}}',
    canonical: '{"child":{}}',
  },
  {
    rule: "ignored: unknown extensions",
    type: "Old",
    lenient: true,
    json: '{"required":1,"[no.such]":{}}',
    canonical: '{"required":1}',
  },
];

const INVALID = "FIELD_INVALID";
const refused: readonly Refused[] = [
  { rule: "message: no object", type: "Tree", json: '{"left":"a"}', as: `${INVALID} left` },
  { rule: "message: a list", type: "Tree", json: "[]", as: `${INVALID} body` },
  { rule: "message: null", type: "Tree", json: "null", as: `${INVALID} body` },
  { rule: "names: unknown", type: "Tree", json: '{"left":{"nme":"a"}}', as: "FIELD_UNKNOWN left.nme" },
  { rule: "names: case counts", type: "Tree", json: '{"Name":"a"}', as: "FIELD_UNKNOWN Name" },
  { rule: "names: given twice", type: "Tree", json: '{"name":"a","name":"b"}', as: `${INVALID} name` },
  {
    rule: "names: both of a field",
    type: "Names",
    json: '{"snakeCase":1,"snake_case":1}',
    as: `${INVALID} snake_case`,
  },
  { rule: "names: given twice, once null", type: "Tree", json: '{"left":null,"left":{}}', as: `${INVALID} left` },
  { rule: "null: in a list", type: "Lists", json: '{"aInt32":[1,null]}', as: `${INVALID} aInt32[1]` },
  { rule: "null: in a list of messages", type: "Tree", json: '{"children":[{},null]}', as: `${INVALID} children[1]` },
  { rule: "null: a map's value", type: "MapValues", json: '{"aInt32":{"a":null}}', as: `${INVALID} aInt32.a` },
  { rule: "enum: unknown name", type: "Scalars", json: '{"aColor":"COLOR_BLUE"}', as: `${INVALID} aColor` },
  { rule: "enum: case counts", type: "Scalars", json: '{"aColor":"color_red"}', as: `${INVALID} aColor` },
  { rule: "enum: a number in quotes", type: "Scalars", json: '{"aColor":"1"}', as: `${INVALID} aColor` },
  { rule: "enum: a fraction", type: "Scalars", json: '{"aColor":1.5}', as: `${INVALID} aColor` },
  { rule: "enum: beyond int32", type: "Scalars", json: '{"aColor":2147483648}', as: `${INVALID} aColor` },
  {
    rule: "enum: closed, unknown number",
    type: "Old",
    json: '{"closed":7}',
    as: `${INVALID} closed`,
  },
  { rule: "map: a list", type: "MapKeys", json: '{"aString":[]}', as: `${INVALID} aString` },
  { rule: "map: a key that is no number", type: "MapKeys", json: '{"aInt32":{"a":"b"}}', as: `${INVALID} aInt32.a` },
  {
    rule: "map: a key out of range",
    type: "MapKeys",
    json: '{"aInt32":{"2147483648":"b"}}',
    as: `${INVALID} aInt32["2147483648"]`,
  },
  { rule: "map: a key that is no bool", type: "MapKeys", json: '{"aBool":{"1":"b"}}', as: `${INVALID} aBool["1"]` },
  {
    rule: "map: a key given twice",
    type: "MapKeys",
    json: '{"aString":{"a":"b","a":"c"}}',
    as: `${INVALID} aString.a`,
  },
  {
    rule: "map: a key given twice in two forms",
    type: "MapKeys",
    json: '{"aInt32":{"1":"b","1.0":"c"}}',
    as: `${INVALID} aInt32["1.0"]`,
  },
  { rule: "repeated: no list", type: "Lists", json: '{"aInt32":1}', as: `${INVALID} aInt32` },
  { rule: "repeated: an object", type: "Lists", json: '{"aInt32":{"0":1}}', as: `${INVALID} aInt32` },
  { rule: "bool: in quotes", type: "Scalars", json: '{"aBool":"true"}', as: `${INVALID} aBool` },
  { rule: "bool: a number", type: "Scalars", json: '{"aBool":1}', as: `${INVALID} aBool` },
  { rule: "string: a number", type: "Scalars", json: '{"aString":1}', as: `${INVALID} aString` },
  { rule: "string: a lone surrogate", type: "Scalars", json: '{"aString":"\\ud83d"}', as: `${INVALID} aString` },
  {
    rule: "string: surrogates in the wrong order",
    type: "Scalars",
    json: '{"aString":"\\ude00\\ud83d"}',
    as: `${INVALID} aString`,
  },
  { rule: "bytes: no base64", type: "Scalars", json: '{"aBytes":"?"}', as: `${INVALID} aBytes` },
  { rule: "bytes: a number", type: "Scalars", json: '{"aBytes":1}', as: `${INVALID} aBytes` },
  ...integerRefusals(),
  ...["aFloat", "aDouble"].flatMap((name): Refused[] => [
    { rule: `${name}: NaN without quotes`, type: "Scalars", json: `{"${name}":NaN}`, as: `BODY_MALFORMED ${name}` },
    { rule: `${name}: a word`, type: "Scalars", json: `{"${name}":"inf"}`, as: `${INVALID} ${name}` },
    { rule: `${name}: too large`, type: "Scalars", json: `{"${name}":1e400}`, as: `${INVALID} ${name}` },
    { rule: `${name}: empty`, type: "Scalars", json: `{"${name}":""}`, as: `${INVALID} ${name}` },
    {
      rule: `${name}: hexadecimal`,
      type: "Scalars",
      json: `{"${name}":"0x1"}`,
      as: `${INVALID} ${name}`,
      apart: LOOSE_NUMBER,
    },
    { rule: `${name}: a bool`, type: "Scalars", json: `{"${name}":true}`, as: `${INVALID} ${name}` },
  ]),
  { rule: "float: beyond its range", type: "Scalars", json: '{"aFloat":3.5e38}', as: `${INVALID} aFloat` },
  { rule: "Any: no @type", type: "WellKnown", json: '{"any":{"name":"a"}}', as: `${INVALID} any` },
  {
    rule: "Any: unknown @type",
    type: "WellKnown",
    json: '{"any":{"@type":"x/no.Such"}}',
    as: `${INVALID} any["@type"]`,
  },
  {
    rule: "Any: @type without a slash",
    type: "WellKnown",
    json: '{"any":{"@type":"test.json.Tree"}}',
    as: `${INVALID} any["@type"]`,
    apart: "protobuf-es takes a bare name",
  },
  {
    rule: "Any: unknown field",
    type: "WellKnown",
    json: '{"any":{"@type":"x/test.json.Tree","nme":1}}',
    as: "FIELD_UNKNOWN any.nme",
  },
  {
    rule: "Any: no value",
    type: "WellKnown",
    json: '{"any":{"@type":"x/google.protobuf.Duration"}}',
    as: `${INVALID} any`,
  },
  { rule: "Timestamp: no T", type: "WellKnown", json: '{"time":"1972-01-01 10:00:20Z"}', as: `${INVALID} time` },
  { rule: "Timestamp: a small t", type: "WellKnown", json: '{"time":"1972-01-01t10:00:20Z"}', as: `${INVALID} time` },
  { rule: "Timestamp: no zone", type: "WellKnown", json: '{"time":"1972-01-01T10:00:20"}', as: `${INVALID} time` },
  {
    rule: "Timestamp: ten decimals",
    type: "WellKnown",
    json: '{"time":"1972-01-01T10:00:20.0123456789Z"}',
    as: `${INVALID} time`,
  },
  { rule: "Timestamp: year 0000", type: "WellKnown", json: '{"time":"0000-01-01T00:00:00Z"}', as: `${INVALID} time` },
  { rule: "Timestamp: year 10000", type: "WellKnown", json: '{"time":"10000-01-01T00:00:00Z"}', as: `${INVALID} time` },
  {
    rule: "Timestamp: pushed out by its offset",
    type: "WellKnown",
    json: '{"time":"9999-12-31T23:59:59-01:00"}',
    as: `${INVALID} time`,
  },
  {
    rule: "Timestamp: February 30th",
    type: "WellKnown",
    json: '{"time":"2024-02-30T00:00:00Z"}',
    as: `${INVALID} time`,
    apart: "Date.parse goes on to March",
  },
  { rule: "Timestamp: a number", type: "WellKnown", json: '{"time":1}', as: `${INVALID} time` },
  { rule: "Duration: no s", type: "WellKnown", json: '{"duration":"1"}', as: `${INVALID} duration` },
  {
    rule: "Duration: more behind the s",
    type: "WellKnown",
    json: '{"duration":"1sx"}',
    as: `${INVALID} duration`,
    apart: "protobuf-es looks at the beginning alone",
  },
  {
    rule: "Duration: ten decimals",
    type: "WellKnown",
    json: '{"duration":"1.0123456789s"}',
    as: `${INVALID} duration`,
  },
  {
    rule: "Duration: out of range",
    type: "WellKnown",
    json: '{"duration":"315576000001s"}',
    as: `${INVALID} duration`,
  },
  { rule: "FieldMask: an underscore", type: "WellKnown", json: '{"mask":"display_name"}', as: `${INVALID} mask` },
  { rule: "Struct: a list", type: "WellKnown", json: '{"struct":[]}', as: `${INVALID} struct` },
  { rule: "ListValue: an object", type: "WellKnown", json: '{"list":{}}', as: `${INVALID} list` },
  { rule: "wrappers: an object", type: "Wrappers", json: '{"anInt32":{"value":1}}', as: `${INVALID} anInt32` },
  { rule: "wrappers: null in a list", type: "Wrappers", json: '{"list":[null]}', as: `${INVALID} list[0]` },
  { rule: "oneof: two members", type: "Pick", json: '{"aInt32":1,"aString":"a"}', as: `${INVALID} aString` },
  {
    rule: "oneof: two members, one a null that is a value",
    type: "Pick",
    json: '{"aNull":null,"aString":"a"}',
    as: `${INVALID} aString`,
  },
  { rule: "extensions: unknown", type: "Old", json: '{"[no.such]":1}', as: "FIELD_UNKNOWN [no.such]" },
  {
    rule: "extensions: of another message",
    type: "Tree",
    json: '{"[test.json.number_ext]":1}',
    as: "FIELD_UNKNOWN [test.json.number_ext]",
    apart: "protobuf-es does not look whose extension it is",
  },
  {
    rule: "extensions: given twice",
    type: "Old",
    json: '{"[test.json.number_ext]":1,"[test.json.number_ext]":1}',
    as: `${INVALID} [test.json.number_ext]`,
  },
  ...[
    '{"name":"a",}',
    '{"name" "a"}',
    "{name:1}",
    "{'name':'a'}",
    '{"name":"a"}}',
    '{"name":"a"',
    "",
    '{"name":"\n"}',
    '{"name":"\\x"}',
    '{"name":"a"}//',
    "\ufeff{}",
  ].map((json) => ({ rule: `JSON: ${JSON.stringify(json)}`, type: "Tree", json, as: "BODY_MALFORMED" })),
  ...["01", "+1", ".5", "5.", "1e", "0x1", "1_0", "--1", "-"].map((text) => ({
    rule: `JSON: the number ${text}`,
    type: "Scalars",
    json: `{"aInt32":${text}}`,
    as: "BODY_MALFORMED aInt32",
  })),
];

describe("ProtoJSON, rule by rule", () => checkAccepted(accepted));
describe("ProtoJSON: what is refused", () => checkRefused(refused));
