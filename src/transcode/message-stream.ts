import { GatewayError } from "../core/errors.ts";
import type { Binder, StreamBinder } from "./binder.ts";
import { JsonSplitter } from "./json-split.ts";

/** Each JSON text of the body is a message, with path, query and headers in it. */
export function compileJsonStream(bind: Binder): StreamBinder {
  return ({ variables, query, headers, maxBytes }, send) => {
    let messages = 0;
    const mayBeArray = !isLines(headers.header("content-type") ?? "");
    return new JsonSplitter({ maxBytes, mayBeArray }, (json) => {
      messages++;
      let message: Buffer;
      try {
        message = bind(variables, query, json, headers);
      } catch (error) {
        throw ofMessage(error, messages);
      }
      send(message);
    });
  };
}

/** Whether a body of that type is JSON texts one behind the other; never one array. */
export function isLines(type: string): boolean {
  return LINES.test(type);
}

// None of these is registered; all are used.
const LINES = /^[ \t]*application\/(?:x-)?(?:ndjson|jsonl|json-lines|jsonlines)[ \t]*(?:;|$)/i;

/** The failure to read a message, which is told by its number; 1 for the first. Other failures as they are. */
export function ofMessage(error: unknown, index: number): unknown {
  if (!(error instanceof GatewayError) || error.violations.length === 0) return error;
  const { violations, cause } = error;
  return new GatewayError(error.code, `message ${index}: ${error.message}`, { violations, cause });
}
