import { hash } from "node:crypto";

// 132 of SHA-256's bits, as base64. On Node 26 a reply of 370 bytes takes 1.4 us, one of 37 KB 34 us; SHA-1 takes 0.6
// and 31 us.
const LENGTH = 22;

/** A strong entity tag of a reply's bytes (RFC 9110, section 8.8.3), quotes included. A string is latin1. */
export function entityTag(body: string | Buffer): string {
  // Text is all ASCII, which hashes as its bytes.
  return `"${hash("sha256", body, "base64url").slice(0, LENGTH)}"`;
}

/** Whether one of the tags of If-None-Match is that of the reply, weakly compared (RFC 9110, section 13.1.2). */
export function matchesTag(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const wanted = opaque(tag);
  return (ifNoneMatch.match(TAGS) ?? []).some((found) => opaque(found) === wanted);
}

const TAGS = /(?:W\/)?"[^"]*"/g;

function opaque(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}
