import type { Socket } from "node:net";
import { Channel, connectivityState, Metadata, type ChannelInterface, type ChannelOptions } from "@grpc/grpc-js";
import type { AttemptListener, AttemptRequest, CallHandle } from "../../../call/call.ts";
import { systemClock, type Clock } from "../../../core/clock.ts";
import type { ConnectionOptions } from "../connection.ts";
import type { ConnectionSession, SessionListener } from "../remade-connection.ts";
import type { TlsClient } from "../../../tls/client.ts";
import { SocketCredentials } from "../../../tls/grpc-credentials.ts";
import { Attempt } from "./attempt.ts";

/**
 * One grpc-js channel that lives exactly as long as one connection: whoever wants another makes another session. So
 * backoff and connect timeout are ours, and an old connection ends its calls while a new one takes its place.
 */
export class Session implements ConnectionSession {
  readonly channel: ChannelInterface;
  private readonly options: ConnectionOptions;
  private readonly clock: Clock;
  private readonly listener: SessionListener;
  private readonly sockets = new Set<Socket>();
  private wasReady = false;
  private isGone = false;

  constructor(address: string, options: ConnectionOptions, tls: TlsClient | null, listener: SessionListener) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.listener = listener;
    // `dns:` also takes plain addresses, v6 in brackets, without asking anyone.
    const shown = new SocketCredentials(address, tls, (socket) => this.addSocket(socket));
    this.channel = new Channel(`dns:${address}`, shown, channelOptions(options, tls?.serverName ?? null));
    this.channel.getConnectivityState(true);
    this.watch();
  }

  /** Whether it has a socket that still lives. */
  get isOpen(): boolean {
    for (const socket of this.sockets) if (!socket.destroyed) return true;
    return false;
  }

  /** grpc-js does not tell its peer's limit, and has calls beyond it wait by itself. */
  get hasRoom(): boolean {
    return true;
  }

  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    const attempt = new Attempt(this, this.options, listener);
    attempt.start(request, request.deadlineMs - this.clock.now());
    return attempt;
  }

  close(): void {
    if (this.isGone) return;
    this.isGone = true;
    if (this.channel.getConnectivityState(false) === connectivityState.READY) {
      // Attempts of this very tick have no stream yet, and would be turned away.
      setImmediate(() => this.channel.close());
      return;
    }
    this.channel.close();
    // A connection that is still being made is not grpc-js's any more after `close`, but nobody else would end it: a
    // peer that accepts TCP and stays mute would keep the socket for ever (grpc-node #2785).
    if (!this.wasReady) this.destroySockets();
  }

  destroy(): void {
    this.close();
    this.destroySockets();
  }

  /** Of a socket that grpc-js has connected; throws where it comes too late. */
  private addSocket(socket: Socket): void {
    if (this.isGone) {
      socket.destroy();
      throw new Error("given up");
    }
    this.sockets.add(socket);
    socket.once("close", () => {
      this.sockets.delete(socket);
      if (this.sockets.size === 0) this.listener.onClosed();
    });
  }

  private destroySockets(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private watch(): void {
    if (this.isGone) return;
    const state = this.channel.getConnectivityState(false);
    if (state === connectivityState.READY) {
      if (!this.wasReady) {
        this.wasReady = true;
        this.listener.onReady();
        if (this.isGone) return;
      }
    } else if (this.wasReady) {
      this.end(this.isOpen ? "the instance ends the connection (GOAWAY)" : "the connection broke");
      return;
    } else if (state === connectivityState.TRANSIENT_FAILURE) {
      this.explainFailure();
      return;
    }
    this.channel.watchConnectivityState(state, Infinity, () => this.watch());
  }

  // A channel tells its state but not the reason of it; a call does, and on a channel that has failed it ends before
  // anything reaches the wire.
  private explainFailure(): void {
    const call = this.channel.createCall("/", Infinity, null, null, null);
    call.start(new Metadata(), {
      onReceiveMetadata() {},
      onReceiveMessage() {},
      onReceiveStatus: (status) => {
        const reason = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?\. Resolution note/s.exec(
          status.details,
        )?.[1];
        this.end(reason ?? status.details);
      },
    });
  }

  private end(reason: string): void {
    if (this.isGone) return;
    this.close();
    this.listener.onGone(reason);
  }
}

function channelOptions(options: ConnectionOptions, authority: string | null): ChannelOptions {
  return {
    "grpc.primary_user_agent": "sluice",
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_send_message_length": -1,
    // Each channel has its own connection; through the global pool, channels to one address would share theirs.
    "grpc.use_local_subchannel_pool": 1,
    // Attempts are made by call/, so grpc-js need not keep messages for a retry, which would also report them as written
    // before they are.
    "grpc.enable_retries": 0,
    "grpc.per_rpc_retry_buffer_size": 0,
    "grpc.service_config_disable_resolution": 1,
    // http_proxy in the environment is not meant for instances.
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    // The most that a timer takes: an idle connection is kept.
    "grpc.client_idle_timeout_ms": 2 ** 31 - 1,
    ...(authority === null ? {} : { "grpc.default_authority": authority }),
  };
}
