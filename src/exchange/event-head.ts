import type { FieldText } from "../transcode/field-text.ts";

/** Fields of the messages of a stream that become parts of its events (WHATWG HTML, "Server-sent events"). */
export interface EventRule<Path = string> {
  readonly id: Path | undefined;
  readonly event: Path | undefined;
}

/** The lines ahead of an event's data: `retry:` once, `id:`, `event:`. Throws WireError. */
export type EventHead = (bytes: Uint8Array, start: number, end: number, isFirst: boolean) => string;

/** Null where a route says nothing. `retryMs`: Infinity for the client's own. */
export function compileEventHead(
  rule: EventRule & { readonly retryMs: number },
  textOf: (path: string) => FieldText,
): EventHead | null {
  const { id, event, retryMs } = rule;
  if (id === undefined && event === undefined && retryMs === Infinity) return null;
  const idOf = id === undefined ? null : textOf(id);
  const eventOf = event === undefined ? null : textOf(event);
  const retry = retryMs === Infinity ? "" : `retry: ${Math.ceil(retryMs)}\n`;
  return (bytes, start, end, isFirst) => {
    let lines = isFirst ? retry : "";
    if (idOf !== null) lines += line("id", idOf(bytes, start, end));
    // Of that name is the event that a failure ends with.
    const name = eventOf === null ? "" : eventOf(bytes, start, end);
    return name === "error" ? lines : lines + line("event", name);
  };
}

// Browsers send the last id back as a header. What does not fit into one line of one would not come back as it was.
const MAX_VALUE_LENGTH = 1024;

function line(name: string, value: string): string {
  if (value === "" || value.length > MAX_VALUE_LENGTH || /[^\x21-\x7e]/.test(value)) return "";
  return `${name}: ${value}\n`;
}
