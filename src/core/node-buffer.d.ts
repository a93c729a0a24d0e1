// Documented nowhere, stable since Node 0.x, and what `buffer.write(…, "latin1")` dispatches to: the direct methods
// save the encoding look-up per call on the reply path.
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  base64Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Write(text: string, offset?: number, length?: number): number;
  base64Write(text: string, offset?: number, length?: number): number;
}
