import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

/** Some other maker's HTTP/2 server in front of a gRPC server. */
export interface GrpcProxy {
  /** `127.0.0.1:port`, plaintext, and the same over TLS with `SERVER` of tls.ts. */
  readonly address: string;
  readonly tlsAddress: string;
  /** Has it end its connections in good order, and go on with new ones. */
  renew(): void;
  stop(): Promise<void>;
}

type Start = (program: string, port: number) => Promise<GrpcProxy>;

/** By the name of the program; those that the machine lacks cannot be tested there. */
export const proxies: Readonly<Record<string, Start>> = { nginx: startNginx, envoy: startEnvoy };

/** The path of a program, looked for as a shell does. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  return [...folders, "/usr/sbin"].map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const TLS = fileURLToPath(new URL("../fixtures/tls", import.meta.url));

async function startNginx(program: string, port: number): Promise<GrpcProxy> {
  const [plain, secure] = await freePorts();
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-nginx-"));
  await mkdir(path.join(folder, "logs"));
  await writeFile(
    path.join(folder, "nginx.conf"),
    `daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log stderr error;
events {}
http {
  access_log off;
  client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
  client_max_body_size 0;
  upstream lab { server 127.0.0.1:${port}; keepalive 16; }
  server {
    listen 127.0.0.1:${plain} http2;
    listen 127.0.0.1:${secure} ssl http2;
    ssl_certificate ${TLS}/server.pem; ssl_certificate_key ${TLS}/server-key.pem;
    location / { grpc_pass grpc://lab; }
  }
}
`,
  );
  const child = spawn(program, ["-p", folder, "-c", "nginx.conf"], { stdio: ["ignore", "ignore", "inherit"] });
  return started(child, folder, [plain, secure], () => child.kill("SIGHUP"));
}

async function startEnvoy(program: string, port: number): Promise<GrpcProxy> {
  const [plain, secure] = await freePorts();
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-envoy-"));
  const listener = (name: string, port_value: number, socket: object) => ({
    name,
    address: { socket_address: { address: "127.0.0.1", port_value } },
    filter_chains: [
      {
        ...socket,
        filters: [
          typed(
            "envoy.filters.network.http_connection_manager",
            "network.http_connection_manager",
            "HttpConnectionManager",
            {
              stat_prefix: name,
              codec_type: "HTTP2",
              stream_idle_timeout: "0s",
              // Its way to end connections in good order, every so many calls.
              common_http_protocol_options: { max_requests_per_connection: 200 },
              route_config: {
                virtual_hosts: [
                  {
                    name: "all",
                    domains: ["*"],
                    routes: [{ match: { prefix: "/" }, route: { cluster: "lab", timeout: "0s" } }],
                  },
                ],
              },
              http_filters: [typed("envoy.filters.http.router", "http.router", "Router", {})],
            },
          ),
        ],
      },
    ],
  });
  const pem = (name: string) => ({ filename: path.join(TLS, `${name}.pem`) });
  const context = {
    common_tls_context: {
      alpn_protocols: ["h2"],
      tls_certificates: [{ certificate_chain: pem("server"), private_key: pem("server-key") }],
    },
  };
  const config = {
    static_resources: {
      listeners: [
        listener("plain", plain, {}),
        listener("secure", secure, {
          transport_socket: typed(
            "envoy.transport_sockets.tls",
            "transport_sockets.tls",
            "DownstreamTlsContext",
            context,
          ),
        }),
      ],
      clusters: [
        {
          name: "lab",
          type: "STATIC",
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: "lab",
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  };
  const file = path.join(folder, "envoy.json");
  await writeFile(file, JSON.stringify(config));
  const args = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  return started(child, folder, [plain, secure], () => {});
}

function typed(name: string, area: string, type: string, options: object): object {
  const typed_config = { "@type": `type.googleapis.com/envoy.extensions.${extensionOf(area)}.v3.${type}`, ...options };
  return { name, typed_config };
}

function extensionOf(area: string): string {
  return area.startsWith("transport_sockets.") ? area : `filters.${area}`;
}

async function started(
  child: ChildProcess,
  folder: string,
  [plain, secure]: readonly [number, number],
  renew: () => void,
): Promise<GrpcProxy> {
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.on("exit", killAtExit);
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    process.off("exit", killAtExit);
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true });
  };
  try {
    await until("the proxy to listen", async () => {
      if (child.exitCode !== null) throw new Error(`the proxy ended at start, exit code ${child.exitCode}`);
      return (await accepts(plain)) && (await accepts(secure));
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `127.0.0.1:${plain}`, tlsAddress: `127.0.0.1:${secure}`, renew, stop };
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    await once(server.listen(0, "127.0.0.1"), "listening");
    ports.push((server.address() as AddressInfo).port); // a TCP server that listens
  }
  for (const server of servers) server.close();
  const [first = 0, second = 0] = ports;
  return [first, second];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
