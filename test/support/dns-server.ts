import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv4 } from "node:net";
import type { TestContext } from "node:test";

/** What is known of a name. */
export interface Zone {
  /** IPv4 and IPv6. */
  readonly addresses?: readonly string[];
  readonly srv?: readonly { priority: number; weight: number; port: number; name: string }[];
  /** Seconds. */
  readonly ttl?: number;
}

/** A DNS server on 127.0.0.1 (RFC 1035 over UDP), closed after the test. */
export interface DnsServer {
  /** `127.0.0.1:5353` */
  readonly address: string;
  /** By name; what is not there does not exist. Change it at will. */
  readonly zones: Map<string, Zone>;
  /** `mute`: answers nothing; `failing`: SERVFAIL. */
  mode: "well" | "mute" | "failing";
  /** Each question so far, such as `A library.test`. */
  readonly asked: string[];
}

const TYPES: Readonly<Record<number, string>> = { 1: "A", 28: "AAAA", 33: "SRV" };
const NXDOMAIN = 3;
const SERVFAIL = 2;

export async function startDnsServer(t: TestContext): Promise<DnsServer> {
  const socket = createSocket("udp4");
  t.after(() => socket.close());
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const server: DnsServer = {
    address: `127.0.0.1:${socket.address().port}`,
    zones: new Map(),
    mode: "well",
    asked: [],
  };
  socket.on("message", (query, peer) => {
    const { name, type, end } = readQuestion(query);
    server.asked.push(`${TYPES[type] ?? type} ${name}`);
    if (server.mode === "mute") return;
    const zone = server.zones.get(name);
    const records = server.mode === "well" && zone !== undefined ? recordsOf(zone, type) : [];
    const code = server.mode === "failing" ? SERVFAIL : zone === undefined ? NXDOMAIN : 0;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code, 2); // an answer, recursion asked for and given
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(Buffer.concat([head, query.subarray(12, end), ...records]), peer.port, peer.address);
  });
  return server;
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function recordsOf({ addresses = [], srv = [], ttl = 60 }: Zone, type: number): Buffer[] {
  const datas =
    TYPES[type] === "SRV"
      ? srv.map(({ priority, weight, port, name }) =>
          Buffer.concat([...[priority, weight, port].map(uint16), encodeName(name)]),
        )
      : addresses.filter((ip) => TYPES[type] === (isIPv4(ip) ? "A" : "AAAA")).map(encodeAddress);
  return datas.map((data) => {
    const head = Buffer.alloc(12);
    head.writeUInt16BE(0xc00c, 0); // the name of the question
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt32BE(ttl, 6);
    head.writeUInt16BE(data.length, 10);
    return Buffer.concat([head, data]);
  });
}

function encodeName(name: string): Buffer {
  const labels = name === "." ? [] : name.split(".");
  return Buffer.concat([...labels.map((label) => Buffer.from(`\0${label}`)), Buffer.from([0])].map(withLength));
}

function withLength(label: Buffer): Buffer {
  if (label.length > 1) label.writeUInt8(label.length - 1, 0);
  return label;
}

/** IPv6 in full, without `::`. */
function encodeAddress(ip: string): Buffer {
  return isIPv4(ip)
    ? Buffer.from(ip.split(".").map(Number))
    : Buffer.concat(ip.split(":").map((part) => uint16(Number.parseInt(part, 16))));
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
