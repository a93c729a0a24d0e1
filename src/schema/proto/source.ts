import type { Problem } from "../../core/problem.ts";

/** The text of one .proto file and what it is called in messages. */
export class SourceText {
  /** Where the file was read, or its import name where it was not read from a user's folder. */
  readonly path: string;
  readonly text: string;
  private lineStarts: number[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** Line and column of an offset, both counted from 1. */
  position(offset: number): { line: number; column: number } {
    const starts = (this.lineStarts ??= lineStartsOf(this.text));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }

  /** `file:line:column` of an offset. */
  place(offset: number): string {
    const { line, column } = this.position(offset);
    return `${this.path}:${line}:${column}`;
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

// Past this many, problems are mostly echoes of earlier ones.
const MAX_PROBLEMS = 50;

/** Collects what is wrong over all files of one load. */
export class Problems {
  readonly list: Problem[] = [];

  /** One problem per place: what follows at the same place is nearly always an echo. */
  add(source: SourceText, offset: number, message: string): void {
    const { line, column } = source.position(offset);
    const echo = this.list.some((seen) => seen.file === source.path && seen.line === line && seen.column === column);
    if (echo || this.list.length >= MAX_PROBLEMS) return;
    this.list.push({ file: source.path, line, column, message, severity: "error" });
  }

  /** File by file in the order met, each from top to bottom. */
  sorted(): readonly Problem[] {
    const files = [...new Set(this.list.map(({ file }) => file))];
    return this.list.toSorted(
      (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
    );
  }

  /** A problem with a file as a whole. */
  addFile(file: string, message: string): void {
    if (this.list.length < MAX_PROBLEMS) this.list.push({ file, line: 0, column: 0, message, severity: "error" });
  }
}

/** What stops the reading of a statement; the parser reports it and goes on behind the statement. */
export class SyntaxFailure extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.name = "SyntaxFailure";
    this.offset = offset;
  }
}
