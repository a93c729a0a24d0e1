import { gatewayError } from "./errors.ts";

/**
 * What a server's failure to listen is thrown as: ADDRESS_IN_USE where another has the port, else what it is. `flag` is
 * the one that takes another port.
 */
export function listenError(thrown: unknown, { host, port }: { host: string; port: number }, flag: string): unknown {
  if ((thrown as NodeJS.ErrnoException).code !== "EADDRINUSE") return thrown;
  return gatewayError("ADDRESS_IN_USE", { address: `${host}:${port}`, flag }, { cause: thrown });
}
