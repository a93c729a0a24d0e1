import { rawShape, type StreamShape } from "../transcode/frame.ts";
import { httpBody, type HttpBodyReader } from "../transcode/http-body.ts";
import type { Route } from "./route.ts";
import { ServerStreamExchange } from "./server-stream.ts";
import { UnaryExchange } from "./unary.ts";

/**
 * A reply that is a google.api.HttpBody: its bytes as they are, under the type that it names. What the client accepts
 * is not asked for, since the type is known only when the call was made.
 */
export class HttpBodyExchange extends UnaryExchange {
  protected override negotiate(): null {
    return null;
  }

  protected override encode(route: Route, bytes: Uint8Array, start: number, end: number): Buffer {
    const data = dataOf(route, bytes, start, end);
    this.type = httpBody.type === "" ? rawShape.type : httpBody.type;
    return data;
  }
}

/** Replies that are pieces of one google.api.HttpBody: the first names the type, and the data of all is the body. */
export class HttpBodyStreamExchange extends ServerStreamExchange {
  protected override shape: StreamShape = rawShape;

  protected override negotiate(): null {
    return null;
  }

  protected override encode(route: Route, bytes: Uint8Array, start: number, end: number): Buffer {
    const data = dataOf(route, bytes, start, end);
    if (this.messagesOut === 0 && httpBody.type !== "") this.type = httpBody.type;
    return data;
  }
}

/** The data of a message that is an HttpBody; a copy, since the message is valid only while it is told. */
export function dataOf(route: Route, bytes: Uint8Array, start: number, end: number): Buffer {
  const read = route.readHttpBody as HttpBodyReader; // such a route has one
  read(bytes, start, end);
  return Buffer.from(bytes.subarray(httpBody.start, httpBody.end));
}
