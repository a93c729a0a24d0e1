/**
 * What a module of the user's threw or told, for a message. Never throws, as `String` does for an object whose `toString`
 * is no function.
 */
export function thrownText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "an object";
  }
}
