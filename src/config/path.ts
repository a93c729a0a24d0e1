/** Keys and indices from the top of a file. */
export type Path = readonly PropertyKey[];

/** `routes[3].timeout`; a key that is no plain word is quoted: `headers.request.rename["x-a"]`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text;
}
