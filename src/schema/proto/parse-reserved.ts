import { isEditions, type ParseContext } from "./parse-context.ts";
import type { Cursor } from "./cursor.ts";
import { SyntaxFailure } from "./source.ts";

/** `reserved 1, 5 to 9, 100 to max;` or `reserved "a", "b";` or, in editions, `reserved a, b;` */
export function parseReserved(
  context: ParseContext,
  site: {
    readonly names: string[];
    /** Whether numbers may be negative. */
    readonly signed: boolean;
    /** Both ends are part of the range; `end` is undefined for `max`. */
    addRange(start: number, end: number | undefined, offset: number): void;
  },
): void {
  const { cursor } = context;
  cursor.expect("reserved");
  if (cursor.atKind("string") || cursor.atKind("identifier")) {
    do site.names.push(parseReservedName(context));
    while (cursor.take(","));
  } else {
    parseRanges(cursor, site.signed, site.addRange);
  }
  cursor.expect(";", ' or "," after what is reserved');
}

function parseReservedName(context: ParseContext): string {
  const { cursor } = context;
  const { offset } = cursor;
  if (isEditions(context)) {
    if (cursor.atKind("string")) {
      throw new SyntaxFailure(offset, `names are reserved without quotes in editions, found ${cursor.current.text}`);
    }
    return cursor.expectIdentifier("the name to reserve").text;
  }
  if (cursor.atKind("identifier")) {
    throw new SyntaxFailure(offset, `names are reserved in quotes before editions, found "${cursor.current.text}"`);
  }
  return cursor.expectText("the name to reserve");
}

/** `1, 5 to 9, 100 to max` */
export function parseRanges(
  cursor: Cursor,
  signed: boolean,
  add: (start: number, end: number | undefined, offset: number) => void,
): void {
  do {
    const { offset } = cursor;
    const start = cursor.expectInt32("a number or a range", signed);
    if (!cursor.take("to")) add(start, start, offset);
    else if (cursor.take("max")) add(start, undefined, offset);
    else add(start, cursor.expectInt32('the end of the range or "max"', signed), offset);
  } while (cursor.take(","));
}
