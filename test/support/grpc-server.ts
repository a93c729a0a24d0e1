import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { ServerIdentity } from "./tls.ts";

/** A method that sees messages as bytes, so that no test needs protos to speak gRPC. */
export type RawMethod =
  | { kind: "unary"; handle: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void }
  | {
      kind: "client_stream";
      handle: (call: ServerReadableStream<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void;
    }
  | { kind: "server_stream"; handle: (call: ServerWritableStream<Buffer, Buffer>) => void }
  | { kind: "bidi_stream"; handle: (call: ServerDuplexStream<Buffer, Buffer>) => void };

export interface GrpcServer {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly server: Server;
  /** Ends gracefully: GOAWAY, calls in flight end. */
  close(): Promise<void>;
  /** Cuts every connection. */
  destroy(): void;
}

export interface GrpcServerOptions {
  readonly port?: number;
  readonly options?: ServerOptions;
  /** Plaintext without one. */
  readonly identity?: ServerIdentity | null;
}

/** A real grpc-js server on 127.0.0.1. Methods are keyed by path, `/pkg.Service/Method`. */
export async function startGrpcServer(
  methods: Readonly<Record<string, RawMethod>>,
  { port = 0, options = {}, identity = null }: GrpcServerOptions = {},
): Promise<GrpcServer> {
  const server = new Server({ "grpc.enable_channelz": 0, "grpc.max_receive_message_length": -1, ...options });
  const asIs = (bytes: Buffer) => bytes;
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: Record<string, UntypedServiceImplementation[string]> = {};
  for (const [path, method] of Object.entries(methods)) {
    definition[path] = {
      path,
      requestStream: method.kind === "client_stream" || method.kind === "bidi_stream",
      responseStream: method.kind === "server_stream" || method.kind === "bidi_stream",
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    implementation[path] = method.handle as UntypedServiceImplementation[string]; // its kind is in the definition
  }
  server.addService(definition, implementation);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentialsOf(identity), (error, taken) =>
      error === null ? resolve(taken) : reject(error),
    );
  });
  return {
    port: bound,
    address: `127.0.0.1:${bound}`,
    server,
    close: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    destroy: () => server.forceShutdown(),
  };
}

function credentialsOf(identity: ServerIdentity | null): ServerCredentials {
  if (identity === null) return ServerCredentials.createInsecure();
  const { cert, key, ca } = identity;
  const own = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  return ServerCredentials.createSsl(ca === undefined ? null : Buffer.from(ca), [own], ca !== undefined);
}
