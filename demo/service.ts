/** The bookshop as gRPC services. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  Metadata,
  status,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Server,
  type ServerErrorResponse,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from "@grpc/proto-loader";
import { Refusal, matches, now, pageOf, shelfOf } from "./shop.ts";
import type { Book, BookFilter, Change, Duration, Money, OrderLine, Shop } from "./shop.ts";

const PROTOS = fileURLToPath(new URL("../protos", import.meta.url));

interface Page {
  readonly page_size: number;
  readonly page_token: string;
  readonly filter: BookFilter | null;
}

interface BookEvent {
  readonly kind: "PRESENT" | "CREATED" | "UPDATED" | "DELETED";
  readonly book: Book;
  readonly time: ReturnType<typeof now>;
  readonly sequence: number;
}

/** Adds the services to a server; every reply carries `x-instance` in its metadata. */
export function addServices(server: Server, shop: Shop, instance: string): void {
  const definitions = loadSync(
    [
      "bookshop/v1/bookshop.proto",
      "bookshop/v1/orders.proto",
      "google/rpc/status.proto",
      "google/rpc/error_details.proto",
    ],
    { includeDirs: [PROTOS], keepCase: true, longs: String, enums: String, defaults: true },
  );
  const greeting = new Metadata();
  greeting.set("x-instance", instance);
  const toError = errorWriter(definitions, greeting);

  function unary<I, O>(handle: (request: I) => O): handleUnaryCall<I, O> {
    return (call, callback) => {
      try {
        const reply = handle(call.request);
        call.sendMetadata(greeting);
        callback(null, reply);
      } catch (error) {
        callback(toError(error));
      }
    };
  }

  const list = (found: readonly Book[], { page_size, page_token, filter }: Page) =>
    pageOf(
      found.filter((book) => matches(book, filter)),
      page_size,
      page_token,
    );

  const watchBooks: handleServerStreamingCall<
    { parent: string; count: number; interval: Duration | null },
    BookEvent
  > = async (call) => {
    const { parent, count, interval } = call.request;
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort());
    call.on("error", () => gone.abort());
    try {
      const events = watch(shop, parent, toMs(interval), gone.signal);
      call.sendMetadata(greeting);
      let sequence = 0;
      for await (const { kind, book } of events) {
        sequence++;
        const hasRoom = call.write({ kind, book, time: now(), sequence });
        if (sequence === count) break;
        if (!hasRoom) await once(call, "drain", { signal: gone.signal });
      }
      call.end();
    } catch (error) {
      if (!gone.signal.aborted) call.emit("error", toError(error));
    } finally {
      gone.abort();
    }
  };

  const placeOrder: handleClientStreamingCall<OrderLine, unknown> = (call, callback) => {
    const lines: OrderLine[] = [];
    call.on("data", (line: OrderLine) => lines.push(line));
    call.on("end", () => {
      try {
        callback(null, shop.placeOrder(lines));
      } catch (error) {
        callback(toError(error));
      }
    });
    call.sendMetadata(greeting);
  };

  const haggle: handleBidiStreamingCall<{ book: string; price: Money | null }, unknown> = (call) => {
    call.on("data", ({ book, price }: { book: string; price: Money | null }) => {
      try {
        call.write(shop.haggle(book, price));
      } catch (error) {
        call.emit("error", toError(error));
      }
    });
    call.on("end", () => call.end());
    call.sendMetadata(greeting);
  };

  server.addService(serviceOf(definitions, "bookshop.v1.Bookshop"), {
    ListShelves: unary(() => ({ shelves: shop.shelves })),
    GetShelf: unary((request: { name: string }) => shop.getShelf(request.name)),
    ListBooks: unary((request: Page & { parent: string }) => list(shop.booksOf(request.parent), request)),
    GetBook: unary((request: { name: string }) => shop.getBook(request.name)),
    CreateBook: unary((request: { parent: string; book_id: string; book: Book | null }) =>
      shop.createBook(request.parent, request.book_id, request.book),
    ),
    UpdateBook: unary((request: { book: Book | null; update_mask: { paths: string[] } | null }) => {
      if (request.book === null) throw new Refusal("INVALID_ARGUMENT", "book", "nothing to change");
      return shop.updateBook(request.book, request.update_mask?.paths ?? []);
    }),
    DeleteBook: unary((request: { name: string }) => {
      shop.deleteBook(request.name);
      return {};
    }),
    SearchBooks: unary((request: Page & { query: string }) => list(shop.search(request.query), request)),
    ReserveBook: unary((request: { name: string; copies: number; hold: Duration | null }) =>
      shop.reserve(request.name, request.copies, request.hold),
    ),
    WatchBooks: watchBooks,
  });
  server.addService(serviceOf(definitions, "bookshop.v1.Orders"), {
    GetOrder: unary((request: { name: string }) => shop.getOrder(request.name)),
    PlaceOrder: placeOrder,
    Haggle: haggle,
  });
}

type ShelfChange = { readonly kind: BookEvent["kind"]; readonly book: Book };

/** The books of a shelf, `intervalMs` apart, then every change, until `signal`. Throws at once for an unknown shelf. */
function watch(shop: Shop, shelf: string, intervalMs: number, signal: AbortSignal): AsyncIterable<ShelfChange> {
  const present = shop.booksOf(shelf);
  // Changes are taken down from now on, so that none is lost while the present is told.
  const changes: ShelfChange[] = [];
  let wake = (): void => {};
  const onChange = (change: Change): void => {
    if (change.kind === "ORDERED" || shelfOf(change.book.name) !== shelf) return;
    changes.push(change);
    wake();
  };
  shop.events.on("change", onChange);
  signal.addEventListener("abort", () => {
    shop.events.off("change", onChange);
    wake();
  });
  return (async function* () {
    for (const [index, book] of present.entries()) {
      if (index > 0 && intervalMs > 0) await delay(intervalMs, undefined, { signal });
      yield { kind: "PRESENT" as const, book };
    }
    while (!signal.aborted) {
      const change = changes.shift();
      if (change !== undefined) yield change;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
}

/** Makes gRPC errors of what a handler threw, a refusal with its details as google.rpc.Status asks. */
function errorWriter(definitions: PackageDefinition, greeting: Metadata): (error: unknown) => ServerErrorResponse {
  const encode = (type: string, value: object): Buffer =>
    (definitions[type] as MessageTypeDefinition<object, object>).serialize(value);
  const toAny = (type: string, value: object): object => ({
    type_url: `type.googleapis.com/${type}`,
    value: encode(type, value),
  });
  return (error) => {
    const metadata = greeting.clone();
    if (!(error instanceof Refusal)) {
      return Object.assign(new Error(String(error)), { code: status.INTERNAL, details: String(error), metadata });
    }
    const { reason, subject, message } = error;
    const code = status[reason];
    const details = [
      toAny("google.rpc.ErrorInfo", { reason, domain: "bookshop.example", metadata: { subject } }),
      reason === "INVALID_ARGUMENT"
        ? toAny("google.rpc.BadRequest", { field_violations: [{ field: subject, description: message }] })
        : toAny("google.rpc.ResourceInfo", {
            resource_type: typeOf(subject),
            resource_name: subject,
            description: message,
          }),
    ];
    metadata.set("grpc-status-details-bin", encode("google.rpc.Status", { code, message, details }));
    return Object.assign(error, { code, details: message, metadata });
  };
}

/** `shelves/fiction/books/dune` -> `bookshop.v1.Book` */
function typeOf(name: string): string {
  if (name.includes("/books/")) return "bookshop.v1.Book";
  return name.startsWith("orders/") ? "bookshop.v1.Order" : "bookshop.v1.Shelf";
}

function toMs(duration: Duration | null): number {
  return duration === null ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
}

function serviceOf(definitions: PackageDefinition, name: string): ServiceDefinition {
  return definitions[name] as ServiceDefinition;
}
