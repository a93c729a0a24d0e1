import type { BodyListener, BodyStreamListener, HttpExchange, ReplyListener } from "../http.ts";

/** An HttpExchange in front of another one: all goes through as it is, where a subclass does not say otherwise. */
export class ForwardingExchange implements HttpExchange {
  protected readonly http: HttpExchange;

  constructor(http: HttpExchange) {
    this.http = http;
  }

  get method(): string {
    return this.http.method;
  }
  get path(): string {
    return this.http.path;
  }
  get query(): string {
    return this.http.query;
  }
  get rawHeaders(): readonly string[] {
    return this.http.rawHeaders;
  }
  header(name: string): string | undefined {
    return this.http.header(name);
  }
  get remoteAddress(): string {
    return this.http.remoteAddress;
  }
  get secure(): boolean {
    return this.http.secure;
  }
  get hasBody(): boolean {
    return this.http.hasBody;
  }
  get isFullDuplex(): boolean {
    return this.http.isFullDuplex;
  }
  get maxBodyBytes(): number {
    return this.http.maxBodyBytes;
  }
  readBody(listener: BodyListener): void {
    this.http.readBody(listener);
  }
  streamBody(listener: BodyStreamListener, isOpenEnded: boolean): void {
    this.http.streamBody(listener, isOpenEnded);
  }
  pauseBody(): void {
    this.http.pauseBody();
  }
  resumeBody(): void {
    this.http.resumeBody();
  }
  listen(listener: ReplyListener): void {
    this.http.listen(listener);
  }
  send(status: number, headers: string[], body: string | Buffer): void {
    this.http.send(status, headers, body);
  }
  begin(status: number, headers: string[]): void {
    this.http.begin(status, headers);
  }
  write(chunk: string | Buffer): boolean {
    return this.http.write(chunk);
  }
  end(): void {
    this.http.end();
  }
  abort(): void {
    this.http.abort();
  }
}
