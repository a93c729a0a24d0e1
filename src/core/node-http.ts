// An import of node:http would read every name that it exports, and some of them load undici: 25 ms of a start.
const http = process.getBuiltinModule("node:http");

/** The methods that Node's HTTP parser knows. */
export const METHODS: readonly string[] = http.METHODS;

/** The reason phrase of each HTTP status. */
export const STATUS_CODES: Readonly<Record<number, string | undefined>> = http.STATUS_CODES;

export const { ServerResponse } = http;
