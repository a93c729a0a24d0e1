/** How messages look as JSON; the same for every message of a route. */
export interface JsonOptions {
  /** Keys of replies: lowerCamelCase (`json`) or as in the .proto file (`proto`). Requests may use either. */
  readonly names: "json" | "proto";
  /** Fields in a request's body that the message does not have. */
  readonly unknownFields: "reject" | "ignore";
}

export const defaultJsonOptions: JsonOptions = { names: "json", unknownFields: "reject" };
