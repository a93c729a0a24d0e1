import { hashText } from "../core/hash.ts";
import type { HttpExchange } from "./http.ts";

/**
 * What a request is known by to policies that send the same to the same instance: a whole number in [0, 2^32), -1 where
 * the request has no such thing. `message` is null where the client streams it.
 */
export type HashKey = (http: HttpExchange, clientAddress: string, message: Uint8Array | null) => number;

const ABSENT = -1;

/** `name` in lower case. */
export function hashHeader(name: string): HashKey {
  return (http) => {
    const value = http.header(name);
    return value === undefined || value === "" ? ABSENT : hashText(value);
  };
}

export function hashField(ofMessage: (bytes: Uint8Array) => number): HashKey {
  return (_http, _clientAddress, message) => (message === null ? ABSENT : ofMessage(message));
}

/** The client's address as far as it can be believed; a peer that has gone has none. */
export const hashClientAddress: HashKey = (_http, clientAddress) =>
  clientAddress === "unknown" ? ABSENT : hashText(clientAddress);
