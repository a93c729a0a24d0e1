import { closest, distance } from "fastest-levenshtein";

/** The candidate nearest to `name` in spelling, or undefined where none is near enough to be a likely slip. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0 || name === "" || name.length > 100) return undefined;
  const best = closest(
    name.toLowerCase(),
    [...candidates].map((candidate) => candidate.toLowerCase()),
  );
  const found = candidates.find((candidate) => candidate.toLowerCase() === best);
  if (found === undefined) return undefined;
  // Two letters swapped are two edits, so a word of five may have two.
  const isNear = distance(name.toLowerCase(), best) <= Math.max(1, Math.floor(name.length * 0.4));
  return isNear || isSwapped(name.toLowerCase(), best) ? found : undefined;
}

/** Whether one is the other with two neighbours swapped: the likely slip in short words, too. */
function isSwapped(a: string, b: string): boolean {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return a.length > 2 && a.slice(0, at) + (a[at + 1] ?? "") + (a[at] ?? "") + a.slice(at + 2) === b;
}

/** `; did you mean "title"?`, or nothing. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const found = nearest(name, candidates);
  return found === undefined ? "" : `; did you mean "${found}"?`;
}
