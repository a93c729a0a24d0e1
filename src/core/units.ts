const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const UNIT_BYTES = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
} as const;

/** A duration as written, as the source of a regular expression; each unit at most once, the largest first. */
export const DURATION_PATTERN = "(?=\\d)(\\d+(\\.\\d+)?h)?(\\d+(\\.\\d+)?m)?(\\d+(\\.\\d+)?s)?(\\d+(\\.\\d+)?ms)?";

/** A size as written, as the source of a regular expression. */
export const SIZE_PATTERN = "\\d+(\\.\\d+)?(B|KB|MB|GB|KiB|MiB|GiB)";

const DURATION = new RegExp(`^${DURATION_PATTERN}$`);
const SIZE = new RegExp(`^${SIZE_PATTERN}$`);

/**
 * Milliseconds of a duration with units; undefined where it is none.
 *
 *     duration = [number "h"] [number "m"] [number "s"] [number "ms"] ; at least one part
 *     number   = digits ["." digits]
 */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) {
    total += Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Math.round(total);
}

/**
 * Bytes of a size with a unit; undefined where it is none.
 *
 *     size = digits ["." digits] ("B" | "KB" | "MB" | "GB" | "KiB" | "MiB" | "GiB") ; KB = 1000 B, KiB = 1024 B
 */
export function parseSize(text: string): number | undefined {
  if (!SIZE.test(text)) return undefined;
  const number = Number.parseFloat(text);
  const unit = text.replace(/^[\d.]+/, "") as keyof typeof UNIT_BYTES; // SIZE matched
  return Math.round(number * UNIT_BYTES[unit]);
}
