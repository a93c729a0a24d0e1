import { writeDigits, writePair, writeUint32 } from "./json-write-numbers.ts";
import { TAIL_ROOM } from "./json-write-text.ts";
import { sink } from "./sink.ts";
import { cursor, skipField, truncated, varint, varintTag, WireError } from "./wire-scan.ts";

// google/protobuf/timestamp.proto: 0001-01-01T00:00:00Z … 9999-12-31T23:59:59.999999999Z
const MIN_SECONDS = -62135596800;
const MAX_SECONDS = 253402300799;
// google/protobuf/duration.proto: 10,000 years of 365.25 days
const MAX_DURATION_SECONDS = 315576000000;
const MAX_NANOS = 999_999_999;

const DAY_SECONDS = 86400;
const SECONDS_TAG = 8;
const NANOS_TAG = 16;
const QUOTE = 34;
const MINUS = 45; // and hyphen
const POINT = 46;
const COLON = 58;
// `"2024-02-29T23:59:59.123456789Z"` and `"-315576000000.999999999s"` with room to spare
const TIME_ROOM = 40 + TAIL_ROOM;

// Replies carry many times of few days: the date's text is kept from one to the next.
const cachedDate = new DataView(new ArrayBuffer(12)); // `2024-02-29T`
let cachedDay = NaN;

// What `readParts` found.
let seconds = 0;
let nanos = 0;

/** Writes a google.protobuf.Timestamp, whose bytes are [p, e), as RFC 3339 text in UTC. */
export function writeTimestamp(bytes: Buffer, p: number, e: number, o: number): number {
  readParts(bytes, p, e);
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    throw new WireError("google.protobuf.Timestamp: seconds are not within the years 0001 to 9999");
  }
  if (nanos < 0 || nanos > MAX_NANOS) {
    throw new WireError(`google.protobuf.Timestamp: nanos ${nanos} are not within 0 to 999999999`);
  }
  if (o + TIME_ROOM > sink.size) sink.grow(o, TIME_ROOM);
  const out = sink.view;
  const day = Math.floor(seconds / DAY_SECONDS);
  if (day !== cachedDay) cacheDate(day);
  out.setUint8(o++, QUOTE);
  out.setFloat64(o, cachedDate.getFloat64(0));
  out.setUint32(o + 8, cachedDate.getUint32(8));
  const ofDay = seconds - day * DAY_SECONDS;
  const hour = (ofDay / 3600) | 0;
  const minute = ((ofDay - hour * 3600) / 60) | 0;
  o = writePair(hour, out, o + 11);
  out.setUint8(o, COLON);
  o = writePair(minute, out, o + 1);
  out.setUint8(o, COLON);
  o = writePair(ofDay - hour * 3600 - minute * 60, out, o + 1);
  o = writeNanos(nanos, out, o);
  out.setUint8(o, 90); // Z
  out.setUint8(o + 1, QUOTE);
  return o + 2;
}

// Days from 0000-03-01, where years begin that end with the leap day, to 1970-01-01; and in 400 years.
const DAYS_TO_EPOCH = 719468;
const ERA_DAYS = 146097;

/** Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days; ten times as fast as Date. */
function cacheDate(day: number): void {
  const era = Math.floor((day + DAYS_TO_EPOCH) / ERA_DAYS);
  const ofEra = day + DAYS_TO_EPOCH - era * ERA_DAYS;
  const yearOfEra = ((ofEra - ((ofEra / 1460) | 0) + ((ofEra / 36524) | 0) - ((ofEra / 146096) | 0)) / 365) | 0;
  const ofYear = ofEra - (365 * yearOfEra + (yearOfEra >> 2) - ((yearOfEra / 100) | 0));
  const fromMarch = ((5 * ofYear + 2) / 153) | 0;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  const century = (year / 100) | 0;
  writePair(century, cachedDate, 0);
  writePair(year - century * 100, cachedDate, 2);
  cachedDate.setUint8(4, MINUS);
  writePair(month, cachedDate, 5);
  cachedDate.setUint8(7, MINUS);
  writePair(ofYear - (((153 * fromMarch + 2) / 5) | 0) + 1, cachedDate, 8);
  cachedDate.setUint8(10, 84); // T
  cachedDay = day;
}

/** Writes a google.protobuf.Duration, whose bytes are [p, e), such as `"-1.500s"`. */
export function writeDuration(bytes: Buffer, p: number, e: number, o: number): number {
  readParts(bytes, p, e);
  if (Math.abs(seconds) > MAX_DURATION_SECONDS) {
    throw new WireError("google.protobuf.Duration: seconds are not within 315576000000 either way");
  }
  if (Math.abs(nanos) > MAX_NANOS) {
    throw new WireError(`google.protobuf.Duration: nanos ${nanos} are not within 999999999 either way`);
  }
  if ((seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0)) {
    throw new WireError("google.protobuf.Duration: seconds and nanos differ in sign");
  }
  if (o + TIME_ROOM > sink.size) sink.grow(o, TIME_ROOM);
  const out = sink.view;
  out.setUint8(o++, QUOTE);
  if (seconds < 0 || nanos < 0) out.setUint8(o++, MINUS);
  const size = Math.abs(seconds);
  const millions = Math.floor(size / 1e6);
  o =
    millions === 0
      ? writeUint32(size, out, o)
      : writeDigits(size - millions * 1e6, 6, out, writeUint32(millions, out, o));
  o = writeNanos(Math.abs(nanos), out, o);
  out.setUint8(o, 115); // s
  out.setUint8(o + 1, QUOTE);
  return o + 2;
}

/** `.123`, `.123456`, `.123456789`, or nothing for 0. */
function writeNanos(value: number, out: DataView, o: number): number {
  if (value === 0) return o;
  out.setUint8(o++, POINT);
  if (value % 1e6 === 0) return writeDigits(value / 1e6, 3, out, o);
  if (value % 1e3 === 0) return writeDigits(value / 1e3, 6, out, o);
  return writeDigits(value, 9, out, o);
}

/** Both messages have the same two fields. Seconds beyond 2^53 are rounded: far out of range all the same. */
function readParts(bytes: Buffer, p: number, e: number): void {
  seconds = 0;
  nanos = 0;
  while (p < e) {
    let tag = bytes[p++] as number;
    if (tag > 127) {
      tag = varintTag(bytes, p - 1);
      p = cursor.next;
    }
    if (tag === SECONDS_TAG) {
      const low = varint(bytes, p);
      seconds = cursor.high * 4294967296 + (low >>> 0);
      p = cursor.next;
    } else if (tag === NANOS_TAG) {
      nanos = varint(bytes, p);
      p = cursor.next;
    } else {
      p = skipField(bytes, p, e, tag);
    }
  }
  if (p !== e) throw truncated();
}
