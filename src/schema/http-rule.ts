/**
 * One binding, in the words of google.api.HttpRule (google/api/http.proto), whether it came from routes.yaml or from
 * an annotation.
 */
export interface HttpRule {
  /** HTTP method in upper case; `*` (a custom kind) means every method. */
  readonly method: string;
  /** Path template as written, such as `/v1/{name=shelves/*}:archive`. */
  readonly path: string;
  /** "" = no body, "*" = the whole message, else the name of a field of the request message. */
  readonly body: string;
  /** "" = the whole message, else the name of a field of the response message. */
  readonly responseBody: string;
}
