import type { CallHandle } from "../call/call.ts";
import { Code } from "../core/code.ts";
import { Exchange } from "./exchange.ts";

/** A request that is answered without a route. */
export class UnroutedExchange extends Exchange {
  /** Answers OPTIONS; `allow` as in the header. */
  tellMethods(allow: string): void {
    this.replyWith(204, Code.Ok, ["allow", allow], "", "");
  }

  /** Sends the client to another path, with method, query and body as they are (RFC 9110, 15.4.9). */
  redirect(path: string): void {
    const { query } = this.http;
    this.replyWith(308, Code.Ok, ["location", query === "" ? path : `${path}?${query}`], "", "");
  }

  protected negotiate(): null {
    return null;
  }
  protected start(): CallHandle {
    throw new Error("an unrouted request has no call");
  }
  onMessage(): void {}
  onEnd(): void {}
}
