import assert from "node:assert/strict";
import { GatewayError } from "../../src/core/errors.ts";

/** What `run` throws; `input` is shown where it throws nothing. */
export function refusalOf(run: () => unknown, input: string | Buffer): GatewayError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  assert.fail(`accepted: ${input.toString().slice(0, 200)}`);
}

/** The same as `CODE message`. */
export function refusalText(run: () => unknown, input: string | Buffer): string {
  const { code, message } = refusalOf(run, input);
  return `${code} ${message}`;
}
