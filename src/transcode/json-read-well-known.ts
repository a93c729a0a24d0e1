// Well-known types whose JSON is a string: Timestamp, Duration, FieldMask (their .proto files, "JSON Mapping").
//
// `put…` take the text that `span` left, so that parameters are read by the same code; there, zero fields are written
// too, since a parameter replaces what the body set.

import { input } from "./json-read-input.ts";
import { span } from "./json-read-string.ts";
import { wrong } from "./json-read-syntax.ts";
import { close, ROOM, varint64, varintOf, wire } from "./wire.ts";

const TIMESTAMP = 'a timestamp such as "2026-01-31T23:59:59.5Z"';
const DURATION = 'a duration such as "1.5s"';
const FIELD_MASK = 'a field mask such as "title,shelf.displayName"';

export function readTimestamp(o: number): number {
  const { at } = input;
  span(TIMESTAMP);
  return putTimestamp(at, o);
}

export function readDuration(o: number): number {
  const { at } = input;
  span(DURATION);
  return putDuration(at, o);
}

export function readFieldMask(o: number): number {
  const { at } = input;
  span(FIELD_MASK);
  return putFieldMask(at, o);
}

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z
const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_799;

/** Writes the message of an RFC 3339 text: date, `T`, time, up to nine decimals, `Z` or an offset. */
export function putTimestamp(at: number, o: number): number {
  const { text, from, to } = input;
  const century = pair(text, from);
  const ofCentury = pair(text, from + 2);
  const month = pair(text, from + 5);
  const day = pair(text, from + 8);
  const hour = pair(text, from + 11);
  const minute = pair(text, from + 14);
  const second = pair(text, from + 17);
  const isShaped =
    to - from >= 20 &&
    text[from + 4] === 0x2d &&
    text[from + 7] === 0x2d &&
    text[from + 10] === 0x54 &&
    text[from + 13] === 0x3a &&
    text[from + 16] === 0x3a;
  // A missing digit makes its number negative.
  if (!isShaped || (century | ofCentury | month | day | hour | minute | second) < 0) wrong(at, TIMESTAMP);
  const year = century * 100 + ofCentury;
  if (hour > 23 || minute > 59 || second > 59) wrong(at, TIMESTAMP);
  if (day !== lastDay || month !== lastMonth || year !== lastYear) {
    if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) wrong(at, TIMESTAMP);
    lastDays = daysSinceEpoch(year, month, day);
    [lastYear, lastMonth, lastDay] = [year, month, day];
  }
  let i = from + 19;
  let nanos = 0;
  if (text[i] === 0x2e) {
    nanos = decimals(text, i + 1);
    if (nanos < 0) wrong(at, TIMESTAMP);
    i = pastDigits;
  }
  let offset = 0;
  if (text[i] === 0x5a) i++;
  else {
    const sign = text[i] === 0x2b ? 1 : text[i] === 0x2d ? -1 : 0;
    const hours = pair(text, i + 1);
    const minutes = pair(text, i + 4);
    if (sign === 0 || (hours | minutes) < 0 || text[i + 3] !== 0x3a || hours > 23 || minutes > 59) wrong(at, TIMESTAMP);
    offset = sign * (hours * 3600 + minutes * 60);
    i += 6;
  }
  if (i !== to) wrong(at, TIMESTAMP);
  const seconds = lastDays * 86_400 + hour * 3600 + minute * 60 + second - offset;
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) wrong(at, TIMESTAMP, ", which is out of range");
  return putSecondsAndNanos(seconds, nanos, o);
}

// The date that was read last, and its days since 1970: times in a message are often of one day.
let lastYear = -1;
let lastMonth = 0;
let lastDay = 0;
let lastDays = 0;

/** The number of two digits at `i`; negative where one is missing. */
function pair(text: Uint8Array, i: number): number {
  const tens = (text[i] ?? 0) - 0x30;
  const ones = (text[i + 1] ?? 0) - 0x30;
  return tens >>> 0 > 9 || ones >>> 0 > 9 ? -1 : tens * 10 + ones;
}

// Where the digits ended that `decimals` read.
let pastDigits = 0;

/** One to nine decimals at `i` as nanoseconds; -1 for none or more. */
function decimals(text: Uint8Array, i: number): number {
  let nanos = 0;
  let unit = 100_000_000;
  const first = i;
  for (; ; i++) {
    const digit = (text[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    if (i - first === 9) return -1;
    nanos += digit * unit;
    unit /= 10;
  }
  pastDigits = i;
  return i === first ? -1 : nanos;
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Days from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil). */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year; // years begin in March, so that the leap day is a year's last
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

// duration.proto: 10,000 years of 365.25 days; the conformance suite takes any nanos with it.
const MAX_DURATION_SECONDS = 315_576_000_000;

/** Writes the message of a Duration's text: seconds, up to nine decimals, `s`. */
export function putDuration(at: number, o: number): number {
  const { text, from, to } = input;
  const isNegative = text[from] === 0x2d;
  const first = isNegative ? from + 1 : from;
  let i = first;
  let seconds = 0;
  for (let digit = (text[i] as number) - 0x30; digit >= 0 && digit <= 9; digit = (text[++i] as number) - 0x30) {
    seconds = seconds * 10 + digit;
  }
  if (i === first) wrong(at, DURATION);
  let nanos = 0;
  if (text[i] === 0x2e) {
    nanos = decimals(text, i + 1);
    if (nanos < 0) wrong(at, DURATION);
    i = pastDigits;
  }
  if (i !== to - 1 || text[i] !== 0x73) wrong(at, DURATION);
  if (seconds > MAX_DURATION_SECONDS) wrong(at, DURATION, ", which is out of range");
  return putSecondsAndNanos(isNegative ? -seconds : seconds, isNegative ? -nanos : nanos, o);
}

function putSecondsAndNanos(seconds: number, nanos: number, o: number): number {
  const isParameter = input.field !== undefined;
  if (seconds !== 0 || isParameter) {
    wire.bytes[o] = 0x08;
    o = varintOf(seconds, o + 1);
  }
  if (nanos !== 0 || isParameter) {
    wire.bytes[o] = 0x10;
    o = varint64(nanos | 0, nanos < 0 ? -1 : 0, o + 1);
  }
  return o;
}

/**
 * Writes the message of a FieldMask's text: paths in lowerCamelCase between commas. In parameters, where grpc-gateway
 * asks for the names of the .proto file and Google's servers take both, so does this.
 */
export function putFieldMask(at: number, o: number): number {
  const { text, from, to } = input;
  if (from === to) return o;
  let start = o;
  let out = wire.grow(o, ROOM);
  out[o] = 0x0a;
  o += 2;
  for (let i = from; i < to; i++) {
    const byte = text[i] as number;
    if (byte === 0x2c) {
      o = close(start + 1, o);
      out = wire.grow(o, ROOM);
      start = o;
      out[o] = 0x0a;
      o += 2;
    } else if (byte === 0x5f && input.field === undefined) {
      wrong(at, FIELD_MASK);
    } else {
      if (o + ROOM > out.length) out = wire.grow(o, ROOM);
      if (byte >= 0x41 && byte <= 0x5a) {
        out[o++] = 0x5f;
        out[o++] = byte + 0x20;
      } else out[o++] = byte;
    }
  }
  return close(start + 1, o);
}
