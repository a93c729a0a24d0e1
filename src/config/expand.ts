/** Environment variables by name; main.ts hands the process's own in. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What `${…}` may take values from. */
export interface ExpandSources {
  readonly env: Env;
  /** The text of a file; relative paths start at the configuration's folder. Throws where it cannot be read. */
  readonly readFile: (path: string) => string;
}

export interface Expanded {
  readonly text: string;
  /** One sentence for each reference without a value. */
  readonly reasons: readonly string[];
}

const REFERENCE = /\$\$|\$\{([^}]*)(\}?)/g;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Puts values in place of references, once: what a value contains is taken as it is.
 *
 *     text      = { "$$" | "${" reference "}" | any other character }   ; "$$" is a dollar
 *     reference = name [":-" default] | "file:" path                    ; neither holds a "}"
 *
 * The default stands in for a variable that is unset or empty. One line end at the end of a file is cut.
 */
export function expand(text: string, sources: ExpandSources): Expanded {
  const reasons: string[] = [];
  const expanded = text.replace(REFERENCE, (match, inner: string | undefined, close: string) => {
    if (inner === undefined) return "$";
    const value =
      close === "" ? { reason: `"${match}" is not closed by "}"; a dollar is written $$` } : look(inner, sources);
    if (typeof value === "string") return value;
    reasons.push(value.reason);
    return "";
  });
  return { text: expanded, reasons };
}

/** Whether `expand` would change the text. */
export function hasReference(text: string): boolean {
  return text.includes("${") || text.includes("$$");
}

function look(inner: string, { env, readFile }: ExpandSources): string | { reason: string } {
  if (inner.startsWith("file:")) {
    const path = inner.slice("file:".length);
    try {
      return readFile(path).replace(/\r?\n$/, "");
    } catch (error) {
      return { reason: `file "${path}" cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
    }
  }
  const [, name, fallback] = VARIABLE.exec(inner) ?? [];
  if (name === undefined) return { reason: `"\${${inner}}": expected \${NAME}, \${NAME:-default} or \${file:path}` };
  const value = env[name];
  if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
  return value ?? { reason: `environment variable ${name} is not set; a default is written \${${name}:-value}` };
}
