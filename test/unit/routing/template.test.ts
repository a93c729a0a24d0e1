import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTemplate, TemplateError } from "../../../src/routing/template.ts";
import type { PathTemplate } from "../../../src/routing/template.ts";

describe("parseTemplate()", () => {
  // Segments: text for a literal (decoded), * and ** as they are; variables as fieldPath[start,end), M for multi.
  const valid: [source: string, segments: string, variables: string, verb: string][] = [
    ["/", "", "", ""], // the root: zero segments
    ["/v1", "v1", "", ""],
    ["/v1/books", "v1 books", "", ""],
    ["/*", "*", "", ""], // a wildcard needs no variable
    ["/**", "**", "", ""],
    ["/v1/*/x/**", "v1 * x **", "", ""],
    ["/{a}", "*", "a[0,1)", ""], // {a} is {a=*}
    ["/{a=*}", "*", "a[0,1)", ""],
    ["/{a.b.c_1}", "*", "a.b.c_1[0,1)", ""],
    ["/{_a}", "*", "_a[0,1)", ""],
    ["/{a=x}", "x", "a[0,1)", ""], // one literal segment is a single segment
    ["/{a=**}", "**", "a[0,1)M", ""],
    ["/v1/{a=x/*}", "v1 x *", "a[1,3)M", ""],
    ["/{a=x/*/y/**}", "x * y **", "a[0,4)M", ""],
    ["/{a=*/*}/z/{b}", "* * z *", "a[0,2)M b[3,4)", ""],
    ["/v1/{name=shelves/*/books/*}:archive", "v1 shelves * books *", "name[1,5)M", "archive"],
    ["/v1:verb", "v1", "", "verb"],
    ["/*:v", "*", "", "v"],
    ["/**:v", "**", "", "v"], // ** is last except for the verb
    ["/{a=**}:v", "**", "a[0,1)M", "v"],
    ["/v1/a:b:c", "v1 a:b", "", "c"], // the last colon starts the verb
    ["/a:b/c", "a:b c", "", ""], // not the last segment: a pchar like any other
    ["/{a=x:y/*}", "x:y *", "a[0,2)M", ""], // inside a variable no verb can stand
    ["/{a=x:y}", "x:y", "a[0,1)", ""],
    ["/a%3Ab", "a:b", "", ""], // an encoded colon is no verb's
    ["/a:b%3Ac", "a", "", "b:c"],
    ["/caf%C3%A9/%25", "café %", "", ""], // compared decoded
    ["/-._~!$&'()+,;=@", "-._~!$&'()+,;=@", "", ""], // every pchar but * and :
    ["/{a=b=c}", "b=c", "a[0,1)", ""],
    ["/...", "...", "", ""], // three dots are no dot segment
    ["/%2A", "*", "", ""], // the way to write a literal star; see the next test
  ];
  for (const [source, segments, variables, verb] of valid) {
    it(`reads ${source}`, () => {
      const template = parseTemplate(source);
      assert.equal(template.source, source);
      assert.equal(showSegments(template), segments);
      assert.equal(showVariables(template), variables);
      assert.equal(template.verb, verb);
    });
  }

  it("takes %2A for a literal star, not for a wildcard", () => {
    assert.deepEqual(parseTemplate("/%2A").segments, [{ kind: "literal", text: "*" }]);
  });

  const SEGMENT = "a segment";
  const FOLLOW = '"/", ":" or the end';
  const invalid: [source: string, column: number, expected: string, found: string][] = [
    ["", 1, '"/"', "the end"],
    ["v1", 1, '"/"', '"v"'],
    ["//", 2, SEGMENT, '"/"'], // empty segment
    ["/v1/", 5, SEGMENT, "the end"], // a trailing slash is an empty segment
    ["/v1//x", 5, SEGMENT, '"/"'],
    ["/:v", 2, SEGMENT, '":"'], // a verb needs a segment
    ["/v1/:id", 5, SEGMENT, '":"'], // another router's variable
    ["/v1/:id/x", 5, SEGMENT, '":"'],
    ["/}", 2, SEGMENT, '"}"'],
    ["/a}", 3, FOLLOW, '"}"'],
    ["/a{b}", 3, FOLLOW, '"{"'],
    ["/{b}a", 5, FOLLOW, '"a"'],
    ["/a*", 3, FOLLOW, '"*"'], // a star is a whole segment
    ["/*a", 3, FOLLOW, '"a"'],
    ["/***", 4, 'the end or ":" after "**"', '"*"'],
    ["/**/a", 4, 'the end or ":" after "**"', '"/"'], // ** only last
    ["/{a=**}/b", 8, 'the end or ":" after "**"', '"/"'],
    ["/{a=**/b}", 7, '"}" after "**"', '"/"'],
    ["/{a=***}", 7, '"}" after "**"', '"*"'],
    ["/{", 3, "a field name", "the end"],
    ["/{}", 3, "a field name", '"}"'],
    ["/{1a}", 3, "a field name", '"1"'],
    ["/{a.}", 5, "a field name", '"}"'],
    ["/{a..b}", 5, "a field name", '"."'],
    ["/{*}", 3, "a field name", '"*"'],
    ["/{a", 4, '".", "=" or "}"', "the end"],
    ["/{a-b}", 4, '".", "=" or "}"', '"-"'],
    ["/{a=}", 5, SEGMENT, '"}"'],
    ["/{a=", 5, SEGMENT, "the end"],
    ["/{a=/x}", 5, SEGMENT, '"/"'],
    ["/{a=x/}", 7, SEGMENT, '"}"'],
    ["/{a=x", 6, '"/" or "}"', "the end"],
    ["/{a=*x}", 6, '"/" or "}"', '"x"'],
    ["/{a={b}}", 5, "no variable inside a variable", '"{"'],
    ["/{a=x/{b}}", 7, "no variable inside a variable", '"{"'],
    ["/{a=x{b}}", 6, '"/" or "}"', '"{"'],
    ["/{a}/{a}", 6, "each variable once", '"a" again'],
    ["/a:", 4, "a verb", "the end"],
    ["/a:/b:", 7, "a verb", "the end"],
    ["/{a}:", 6, "a verb", "the end"],
    ["/{a}:b:c", 7, "the end after the verb", '":"'], // a request's verb has no colon
    ["/{a}:b/c", 7, "the end after the verb", '"/"'],
    ["/{a}:{b}", 6, "a verb", '"{"'],
    ["/a%", 3, 'two hexadecimal digits after "%"', '"%"'],
    ["/a%2", 3, 'two hexadecimal digits after "%"', '"%2"'],
    ["/a%zz", 3, 'two hexadecimal digits after "%"', '"%zz"'],
    ["/a%ff", 2, "percent-encoded UTF-8", '"a%ff"'],
    ["/a%2fb", 3, "no %2F in a literal", '"%2F"'], // no literal matches an encoded slash
    ["/a%00", 3, "no %00 in a literal", '"%00"'],
    ["/a/.", 4, 'a segment other than "." and ".."', '"."'],
    ["/a/%2e%2E/b", 4, 'a segment other than "." and ".."', '".."'],
    ["/a b", 3, "a character that may stand in a URL path, or its percent-encoding", '" "'],
    ["/a?b=c", 3, "a character that may stand in a URL path, or its percent-encoding", '"?"'],
    ["/é", 2, "a character that may stand in a URL path, or its percent-encoding", '"é"'],
    ["/a/😀", 4, "a character that may stand in a URL path, or its percent-encoding", '"😀"'],
    ["/a".repeat(101), 202, "at most 100 segments", "more"],
  ];
  for (const [source, column, expected, found] of invalid) {
    it(`refuses ${JSON.stringify(source.slice(0, 20))} at column ${column}`, () => {
      assert.throws(
        () => parseTemplate(source),
        (error) => {
          assert.ok(error instanceof TemplateError);
          assert.equal(error.message, `column ${column}: expected ${expected}, found ${found}`);
          assert.equal(error.column, column);
          assert.equal(error.expected, expected);
          return true;
        },
      );
    });
  }
});

function showSegments(template: PathTemplate): string {
  const marks = { star: "*", rest: "**" };
  return template.segments
    .map((segment) => (segment.kind === "literal" ? segment.text : marks[segment.kind]))
    .join(" ");
}

function showVariables(template: PathTemplate): string {
  return template.variables
    .map(({ fieldPath, start, end, rest, multi }) => {
      assert.equal(rest, template.segments[end - 1]?.kind === "rest");
      return `${fieldPath}[${start},${end})${multi ? "M" : ""}`;
    })
    .join(" ");
}
