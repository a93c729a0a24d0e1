// node bin/run.js bench/micro/frames.bench.ts: cutting bytes into HTTP/2 frames, CPU time a frame, by how they arrive.
import { FrameReader, type FrameListener } from "../../src/upstream/connection/http2/frame-reader.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "../../src/upstream/connection/http2/frame.ts";
import { cpuUs } from "./cpu.ts";

const FRAMES = 100;
let seen = 0;
const count = (): void => void seen++;
const listener: FrameListener = {
  onData: count,
  onHeaderBlock: count,
  onReset: count,
  onSettings: count,
  onSettingsAck: count,
  onPing: count,
  onPingAck: count,
  onGoaway: count,
  onWindowUpdate: count,
  onIgnored: count,
};

function frames(type: number, flags: number, size: number, stream = 1): Buffer {
  const one = Buffer.alloc(FRAME_HEADER_BYTES + size);
  writeFrameHeader(one, 0, size, type, flags, stream);
  return Buffer.concat(Array.from({ length: FRAMES }, () => one));
}

console.log("| frames | in pieces of | ns a frame |\n|---|---|---|");
const kinds: readonly (readonly [string, Buffer])[] = [
  ["DATA of 300 B", frames(FrameType.Data, 0, 300)],
  ["DATA of 16 KB", frames(FrameType.Data, 0, 16_384)],
  ["HEADERS of 12 B", frames(FrameType.Headers, Flag.EndHeaders, 12)],
];
for (const [name, bytes] of kinds) {
  for (const piece of [bytes.length, 65_536, 1_000]) {
    const reader = new FrameReader(listener);
    const settings = frames(FrameType.Settings, 0, 0, 0).subarray(0, FRAME_HEADER_BYTES);
    reader.read(settings, settings.length);
    const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) =>
      bytes.subarray(i * piece, (i + 1) * piece),
    );
    const ns = (cpuUs(() => pieces.forEach((one) => reader.read(one, one.length)), 30) * 1000) / FRAMES;
    console.log(`| ${name} | ${piece === bytes.length ? "all at once" : piece} | ${ns.toFixed(0)} |`);
  }
}
if (seen === 0) throw new Error("no frame was seen");
