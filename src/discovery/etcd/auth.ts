import { Code } from "../../core/code.ts";
import { EtcdError, type EtcdClient, type EtcdStream, type EtcdStreamListener } from "./client.ts";
import { etcdRpc, type Rpc } from "./rpc.ts";

/** A user of etcd. */
export interface EtcdAuth {
  readonly user: string;
  /** Never logged. */
  readonly password: string;
}

const AUTHENTICATE_TIMEOUT_MS = 3000;

/**
 * A client whose calls carry a token, asked for by the first of them, and none where etcd's authentication is off. Where
 * etcd no longer takes the token (it expired, etcd was restarted, authentication was turned on meanwhile), calls reject
 * as if the connection were lost: the next client asks for another. Owns `client`.
 */
export function openWithAuth(client: EtcdClient, auth: EtcdAuth): EtcdClient {
  return new AuthenticatedClient(client, auth);
}

class AuthenticatedClient implements EtcdClient {
  private readonly client: EtcdClient;
  private readonly auth: EtcdAuth;
  private token: Promise<string> | null = null;

  constructor(client: EtcdClient, auth: EtcdAuth) {
    this.client = client;
    this.auth = auth;
  }

  async call<Request, Response>(rpc: Rpc<Request, Response>, request: Request, timeoutMs: number): Promise<Response> {
    try {
      return await this.client.call(rpc, request, timeoutMs, await this.authenticated());
    } catch (error) {
      throw error instanceof EtcdError && asksForToken(error) ? EtcdError.tokenRefused(error.message) : error;
    }
  }

  stream<Request, Response>(rpc: Rpc<Request, Response>, listener: EtcdStreamListener<Response>): EtcdStream<Request> {
    let open: EtcdStream<Request> | null = null;
    const early: Request[] = [];
    const onEnd = (error: EtcdError): void =>
      listener.onEnd(asksForToken(error) ? EtcdError.tokenRefused(error.message) : error);
    this.authenticated().then(
      (token) => {
        open = this.client.stream(rpc, { onMessage: (message) => listener.onMessage(message), onEnd }, token);
        for (const request of early) open.send(request);
      },
      (error: EtcdError) => onEnd(error),
    );
    return { send: (request) => (open === null ? void early.push(request) : open.send(request)) };
  }

  close(): void {
    this.client.close();
  }

  /** "" where etcd's authentication is off. */
  private authenticated(): Promise<string> {
    this.token ??= this.authenticate();
    return this.token;
  }

  private async authenticate(): Promise<string> {
    const { user: name, password } = this.auth;
    try {
      return (await this.client.call(etcdRpc.authenticate, { name, password }, AUTHENTICATE_TIMEOUT_MS)).token;
    } catch (error) {
      // "authentication is not enabled"
      if (error instanceof EtcdError && error.code === Code.FailedPrecondition) return "";
      throw error;
    }
  }
}

/** By etcd's words in api/v3rpc/rpctypes/error.go: ErrGRPCInvalidAuthToken, …UserEmpty, …AuthOldRevision. */
function asksForToken({ code, message }: EtcdError): boolean {
  if (code === Code.Unauthenticated) return true;
  return code === Code.InvalidArgument && /user name is empty|revision of auth store is old/.test(message);
}
