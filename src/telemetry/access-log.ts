import { codeName } from "../core/code.ts";
import type { RequestRecord } from "../exchange/observer.ts";
import type { Log } from "./log.ts";

// Text that JSON takes as it is: nearly all paths, ids and addresses.
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * One line per request, at `info`, or at `error` where the gateway itself is at fault (INTERNAL); built as text, since
 * pino's way over an object costs twice as much and this is the only thing logged on the happy path. Queries, headers
 * and bodies are never in it.
 */
export function writeAccessLine(log: Log, record: RequestRecord): void {
  const isOurs = record.errorCode === "INTERNAL";
  if (!(isOurs ? log.error : log.info)) return;
  let line =
    `{"level":"${isOurs ? "error" : "info"}","time":"${timeText()}","msg":"request","method":"${record.method}"` +
    `,"path":${quote(record.path)},"route":${quote(record.template)},"status":${record.status}` +
    `,"grpc_status":"${codeName(record.grpcCode)}","rpc":"${record.rpc}","upstream":${quote(record.upstream)}` +
    `,"duration_ms":${round(record.endMs - record.startMs)}`;
  if (record.callStartMs === record.callStartMs) line += `,"upstream_ms":${round(record.endMs - record.callStartMs)}`;
  line += `,"bytes_in":${record.bytesIn},"bytes_out":${record.bytesOut}`;
  if (record.messagesOut > 0) line += `,"messages_out":${record.messagesOut}`;
  line += `,"client":${quote(record.clientAddress)},"request_id":${quote(record.requestId)}`;
  if (record.errorCode !== "") line += `,"error":"${record.errorCode}"`;
  if (record.cause !== undefined) line += `,"cause":${quote(describe(record.cause))}`;
  log.writeLine(`${line}${log.tail}}`);
}

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function describe(cause: unknown): string {
  if (cause instanceof Error) return cause.stack ?? cause.message;
  // A gRPC status: its text says what became of the call.
  const details = (cause as { details?: unknown } | null)?.details;
  return String(details ?? cause);
}

let lastMs = 0;
let lastText = "";

/** Now, as ISO 8601. Many requests end in one millisecond, and to write the date costs more than the rest of the line. */
function timeText(): string {
  const ms = Date.now();
  if (ms !== lastMs) {
    lastMs = ms;
    lastText = new Date(ms).toISOString();
  }
  return lastText;
}
