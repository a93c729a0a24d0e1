/** Gives the text of a file that a configuration names; throws where there is none. */
export type ReadFile = (path: string) => string;

/** A value that holds PEM text or named a file of it; `parsed` is undefined where it could not be parsed. */
export interface Taken<T> {
  readonly pem: string;
  readonly parsed: T | undefined;
}

/**
 * Reads values that are a file's path or, as from `${…}`, PEM text. The result is null where the key is absent or its
 * file cannot be read; `complain` is told of whatever is wrong.
 */
export function pemTaker<K extends string>(
  values: Readonly<Partial<Record<K, string | undefined>>>,
  read: ReadFile,
  complain: (key: K, message: string) => void,
): <T>(key: K, parse: (pem: string) => T, expected: string) => Taken<T> | null {
  return (key, parse, expected) => {
    const value: string | undefined = values[key];
    if (value === undefined) return null;
    try {
      const pem = value.includes("-----BEGIN") ? value : read(value);
      return { pem, parsed: attempt(() => parse(pem)) ?? void complain(key, `expected ${expected}`) };
    } catch (error) {
      complain(key, `file "${value}" cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      return null;
    }
  };
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    // What OpenSSL says of a wrong file names neither the file nor what was expected.
    return undefined;
  }
}
