/** Why `decodeURIComponent` refused a text; its URIError says no more than that it did. */
export function percentProblem(text: string): string {
  const broken = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(text);
  return broken === null
    ? "percent-encoding is not valid UTF-8"
    : `"${broken[0]}" is no percent-encoding; expected two hexadecimal digits after "%"`;
}
