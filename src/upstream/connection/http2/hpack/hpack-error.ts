/**
 * A header block that breaks RFC 7541. Both ends' tables are out of step from then on, so the connection has to end
 * with COMPRESSION_ERROR (RFC 9113 section 4.3). The message is for the log.
 */
export class HpackError extends Error {
  override readonly name = "HpackError";
}
