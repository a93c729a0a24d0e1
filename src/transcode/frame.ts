/** How messages of a stream become one body: the text around each, which is written as JSON. */
export interface StreamShape {
  /** `content-type`. */
  readonly type: string;
  /** Before the first message. */
  readonly first: string;
  /** Before every other one. */
  readonly next: string;
  /** Behind each message. */
  readonly after: string;
  /** Behind the last one. */
  readonly end: string;
  /** The body of a stream without a message. */
  readonly empty: string;
  /**
   * Around the google.rpc.Status of a stream that fails after its first message; null where such a body has no place
   * for one: then it must break off, since an end would make it complete.
   */
  readonly failure: { readonly before: string; readonly after: string } | null;
  /** What says nothing and keeps a silent connection alive; null where nothing can. */
  readonly heartbeat: string | null;
}

/** One line per message, a failure as the last one, as grpc-gateway writes them. */
export const ndjsonShape: StreamShape = {
  type: "application/x-ndjson",
  first: `{"result":`,
  next: `{"result":`,
  after: "}\n",
  end: "",
  empty: "",
  failure: { before: `{"error":`, after: "}\n" },
  heartbeat: null,
};

/** One line per message, which is nothing but it; a failure is as above. */
export const bareNdjsonShape: StreamShape = { ...ndjsonShape, first: "", next: "", after: "\n" };

/** One JSON array of all messages. */
export const arrayShape: StreamShape = {
  type: "application/json",
  first: "[",
  next: ",\n",
  after: "",
  end: "]",
  empty: "[]",
  failure: null,
  heartbeat: null,
};

/** One event per message (WHATWG HTML, "Server-sent events"). JSON has no line ends outside of escapes. */
export const eventShape: StreamShape = {
  type: "text/event-stream",
  first: "data: ",
  next: "data: ",
  after: "\n\n",
  end: "",
  empty: "",
  failure: { before: "event: error\ndata: ", after: "\n\n" },
  heartbeat: ":\n\n",
};

/** Bytes of any type, one message's behind the other's (google.api.HttpBody); `type` is in the messages. */
export const rawShape: StreamShape = {
  type: "application/octet-stream",
  first: "",
  next: "",
  after: "",
  end: "",
  empty: "",
  failure: null,
  heartbeat: null,
};
