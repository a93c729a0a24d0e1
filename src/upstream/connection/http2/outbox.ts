import { PREFIX_BYTES } from "./grpc-message.ts";

// Messages that wait to be written: from here on `send` says false, and below the other it says "go on".
const FULL_BYTES = 1 << 16;
const WRITABLE_BYTES = 1 << 15;

// Stands in the place of a message that is out, so that it is not kept.
const WRITTEN = new Uint8Array(0);

/** Request messages that wait for windows or for the socket. */
export class Outbox {
  private readonly messages: Uint8Array[] = [];
  private first = 0;
  /** Written of the first message, its prefix included. */
  private offset = 0;
  private waitingBytes = 0;
  private hasToldFull = false;

  get isEmpty(): boolean {
    return this.first === this.messages.length;
  }

  get isLast(): boolean {
    return this.first === this.messages.length - 1;
  }

  /** The message to write now; only where not empty. */
  get message(): Uint8Array {
    return this.messages[this.first] as Uint8Array; // not empty
  }

  get at(): number {
    return this.offset;
  }

  /** What is left to write of the first message. */
  get restBytes(): number {
    return PREFIX_BYTES + this.message.length - this.offset;
  }

  push(message: Uint8Array): void {
    this.messages.push(message);
    this.waitingBytes += PREFIX_BYTES + message.length;
  }

  /** That much of the first message is written. True where an owner that was told to wait may go on. */
  advance(bytes: number): boolean {
    this.offset += bytes;
    this.waitingBytes -= bytes;
    if (this.restBytes === 0) {
      this.offset = 0;
      this.messages[this.first++] = WRITTEN;
      if (this.isEmpty) {
        this.messages.length = 0;
        this.first = 0;
      } else if (this.first >= 64) {
        this.messages.splice(0, this.first);
        this.first = 0;
      }
    }
    if (!this.hasToldFull || this.waitingBytes >= WRITABLE_BYTES) return false;
    this.hasToldFull = false;
    return true;
  }

  /** Whether the owner may send more now; where not, `advance` will tell. */
  accepts(): boolean {
    if (this.waitingBytes < FULL_BYTES) return true;
    this.hasToldFull = true;
    return false;
  }
}
