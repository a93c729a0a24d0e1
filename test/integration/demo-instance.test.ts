import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Client, credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition, type MethodDefinition } from "@grpc/proto-loader";
import { startInstance, type Instance } from "../../demo/instances.ts";

// Replies as proto-loader makes them of the bookshop's contract.
type Reply = Record<string, unknown>;

const definitions = loadSync(
  [
    "bookshop/v1/bookshop.proto",
    "bookshop/v1/orders.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
  ],
  {
    includeDirs: [fileURLToPath(new URL("../../protos", import.meta.url))],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  },
);

function methodOf(path: string): MethodDefinition<object, Reply> {
  const [service, method] = path.split("/") as [string, string];
  return (definitions[service] as Record<string, MethodDefinition<object, Reply>>)[method]!; // the tests name real ones
}

describe("an instance of the demo's bookshop", { timeout: 20_000 }, () => {
  let instances: Instance[] = [];
  let client: Client;

  before(async () => {
    const tellOthers = (from: Instance, change: Parameters<Instance["tell"]>[0]): void =>
      instances.filter((instance) => instance !== from).forEach((instance) => instance.tell(change));
    instances = ["one", "two"].map((name) => startInstance({ name, onChange: tellOthers }));
    await Promise.all(instances.map((instance) => instance.ready()));
    client = new Client(instances[0]!.address, credentials.createInsecure()); // two were started
  });
  after(async () => {
    client.close();
    await Promise.all(instances.map((instance) => instance.stop()));
  });

  function call(path: string, request: object, to = client): Promise<{ reply: Reply; headers: Metadata }> {
    const { path: wirePath, requestSerialize, responseDeserialize } = methodOf(path);
    return new Promise((resolve, reject) => {
      let headers = new Metadata();
      to.makeUnaryRequest(wirePath, requestSerialize, responseDeserialize, request, (error, reply) => {
        if (error === null) resolve({ reply: reply ?? {}, headers });
        else reject(error);
      }).on("metadata", (metadata) => (headers = metadata));
    });
  }

  async function stream(path: string, request: object): Promise<Reply[]> {
    const { path: wirePath, requestSerialize, responseDeserialize } = methodOf(path);
    const found: Reply[] = [];
    const replies = client.makeServerStreamRequest(wirePath, requestSerialize, responseDeserialize, request);
    for await (const reply of replies) found.push(reply as Reply);
    return found;
  }

  async function refusalOf(promise: Promise<unknown>) {
    const error = await promise.then(
      () => assert.fail("it was not refused"),
      (error: ServiceError) => error,
    );
    const [packed] = error.metadata.get("grpc-status-details-bin") as Buffer[];
    const read = (type: string, bytes: Buffer): Reply =>
      (definitions[type] as MessageTypeDefinition<object, Reply>).deserialize(bytes);
    const details = (read("google.rpc.Status", packed!).details as { type_url: string; value: Buffer }[]) // as the shop promises
      .map(({ type_url, value }) => read(type_url.replace("type.googleapis.com/", ""), value));
    return { code: error.code, message: error.details, details };
  }

  it("gives a book with a field of nearly every kind, and says which instance answered", async () => {
    const { reply, headers } = await call("bookshop.v1.Bookshop/GetBook", { name: "shelves/fiction/books/dune" });
    assert.deepEqual(headers.get("x-instance"), ["one"]);
    const { cover, ...book } = reply;
    assert.equal((cover as Buffer).subarray(1, 4).toString(), "PNG");
    assert.deepEqual(book, {
      name: "shelves/fiction/books/dune",
      title: "Dune",
      subtitle: { value: "Book one of the Dune chronicles" },
      authors: [
        { display_name: "Frank Herbert", role: "author" },
        { display_name: "John Schoenherr", role: "illustrator" },
      ],
      format: "PAPERBACK",
      isbn: "9780441172719",
      price: { currency_code: "EUR", units: "10", nanos: 990_000_000 },
      publish_time: { seconds: "-139449600", nanos: 0 },
      reading_time: { seconds: "75600", nanos: 0 },
      rating: { value: 4.7 },
      edition: 1,
      labels: { series: "Dune", award: "Hugo 1966" },
      stock: { London: 7, Oslo: 0, Zürich: 3 },
      in_stock: { copies: 10, reserved: 0 },
      revision: "1",
    });
  });

  it("refuses an unknown book with NOT_FOUND and its details", async () => {
    const name = "shelves/fiction/books/nothing";
    const message = `there is no book "${name}"`;
    assert.deepEqual(await refusalOf(call("bookshop.v1.Bookshop/GetBook", { name })), {
      code: status.NOT_FOUND,
      message,
      details: [
        { reason: "NOT_FOUND", domain: "bookshop.example", metadata: { subject: name } },
        { resource_type: "bookshop.v1.Book", resource_name: name, owner: "", description: message },
      ],
    });
  });

  it("creates, changes and deletes a book, and every instance knows", async () => {
    const other = new Client(instances[1]!.address, credentials.createInsecure()); // two were started
    // The other instance is told after the answer, so the test waits for its word.
    const seen = async (path: string, request: object, until: (reply: Reply | null) => boolean): Promise<void> => {
      const deadline = Date.now() + 5000;
      while (!until((await call(path, request, other).catch(() => ({ reply: null }))).reply)) {
        assert.ok(Date.now() < deadline, "the other instance does not know");
      }
    };
    const book = { title: "Solaris: a novel", labels: { a: "b" }, withdrawn: "lost" };
    const parent = "shelves/fiction";
    const { reply: created } = await call("bookshop.v1.Bookshop/CreateBook", { parent, book });
    assert.equal(created.name, "shelves/fiction/books/solaris-a-novel");
    const { reply: second } = await call("bookshop.v1.Bookshop/CreateBook", { parent, book });
    assert.equal(second.name, "shelves/fiction/books/solaris-a-novel-2");
    await seen("bookshop.v1.Bookshop/GetBook", { name: second.name }, (reply) => reply?.title === book.title);

    const { reply: changed } = await call("bookshop.v1.Bookshop/UpdateBook", {
      book: { name: created.name, title: "not named by the mask", price: { units: "3" }, in_stock: { copies: 4 } },
      update_mask: { paths: ["price.units", "in_stock"] },
    });
    assert.deepEqual(
      [changed.title, (changed.price as Reply).units, changed.in_stock, changed.withdrawn, changed.revision],
      [book.title, "3", { copies: 4, reserved: 0 }, undefined, "2"],
    );
    const { reply: renamed } = await call("bookshop.v1.Bookshop/UpdateBook", {
      book: { name: created.name, title: "Solaris" },
    });
    assert.deepEqual([renamed.title, renamed.labels, renamed.revision], ["Solaris", { a: "b" }, "3"]);
    await seen("bookshop.v1.Bookshop/GetBook", { name: created.name }, (reply) => reply?.revision === "3");

    await call("bookshop.v1.Bookshop/DeleteBook", { name: created.name });
    await call("bookshop.v1.Bookshop/DeleteBook", { name: second.name });
    await seen("bookshop.v1.Bookshop/GetBook", { name: second.name }, (reply) => reply === null);
    other.close();
  });

  it("refuses what it cannot do, by its code", async () => {
    const dune = "shelves/fiction/books/dune";
    for (const [path, request, code] of [
      ["Bookshop/CreateBook", { parent: "shelves/fiction", book: {} }, status.INVALID_ARGUMENT],
      ["Bookshop/CreateBook", { parent: "shelves/nowhere", book: { title: "x" } }, status.NOT_FOUND],
      [
        "Bookshop/CreateBook",
        { parent: "shelves/fiction", book_id: "dune", book: { title: "x" } },
        status.ALREADY_EXISTS,
      ],
      ["Bookshop/UpdateBook", { book: { name: dune }, update_mask: { paths: ["titel"] } }, status.INVALID_ARGUMENT],
      ["Bookshop/ReserveBook", { name: dune, copies: 1000 }, status.FAILED_PRECONDITION],
      ["Bookshop/ReserveBook", { name: "shelves/classics/books/odyssey" }, status.FAILED_PRECONDITION],
      ["Bookshop/ListBooks", { parent: "shelves/fiction", page_size: -1 }, status.INVALID_ARGUMENT],
      ["Orders/GetOrder", { name: "orders/0" }, status.NOT_FOUND],
    ] as const) {
      assert.equal((await refusalOf(call(`bookshop.v1.${path}`, request))).code, code, JSON.stringify(request));
    }
  });

  it("lists page by page, filters and searches", async () => {
    const names: unknown[] = [];
    let page_token: unknown = "";
    do {
      const { reply } = await call("bookshop.v1.Bookshop/ListBooks", {
        parent: "shelves/classics",
        page_size: 2,
        page_token,
      });
      names.push(...(reply.books as Reply[]).map((book) => book.title));
      page_token = reply.next_page_token;
    } while (page_token !== "");
    assert.deepEqual(names, ["Emma", "Middlemarch", "The Odyssey"]);

    const filter = { formats: ["EBOOK", "HARDCOVER"], published_after: { seconds: "0", nanos: 0 } };
    const { reply: found } = await call("bookshop.v1.Bookshop/SearchBooks", { query: "", filter });
    assert.deepEqual(
      (found.books as Reply[]).map((book) => book.title),
      ["Kindred"],
    );
    const { reply: gibson } = await call("bookshop.v1.Bookshop/SearchBooks", { query: "GIBSON neuro" });
    assert.equal((gibson.books as Reply[]).length, 1);
  });

  it("reserves copies for a day where nothing is said", async () => {
    const { reply } = await call("bookshop.v1.Bookshop/ReserveBook", {
      name: "shelves/classics/books/emma",
      copies: 2,
    });
    assert.deepEqual((reply.book as Reply).in_stock, { copies: 10, reserved: 2 });
    const seconds = Number((reply.expire_time as Reply).seconds) - Date.now() / 1000;
    assert.ok(Math.abs(seconds - 86_400) < 60, `expires in ${seconds} s`);
  });

  it("watches a shelf: what is there, then what changes, and ends after count events", async () => {
    const events = stream("bookshop.v1.Bookshop/WatchBooks", { parent: "shelves/computing", count: 4 });
    const { reply } = await call("bookshop.v1.Bookshop/CreateBook", {
      parent: "shelves/computing",
      book: { title: "Refactoring" },
    });
    const seen = (await events).map(({ kind, book, sequence }) => [kind, (book as Reply).title, sequence]);
    // The book may have come before or after the stream began: then it was there, or was created.
    assert.deepEqual(seen.map(([, title]) => title).sort(), [
      "Refactoring",
      "Structure and Interpretation",
      "The Art of Computer Programming",
      "The C Programming Language",
    ]);
    assert.deepEqual(
      seen.map(([, , sequence]) => sequence),
      ["1", "2", "3", "4"],
    );
    await call("bookshop.v1.Bookshop/DeleteBook", { name: reply.name });
  });

  it("refuses to watch an unknown shelf", async () => {
    const { code } = await refusalOf(stream("bookshop.v1.Bookshop/WatchBooks", { parent: "shelves/nowhere" }));
    assert.equal(code, status.NOT_FOUND);
  });

  it("takes an order line by line", async () => {
    const { path, requestSerialize, responseDeserialize } = methodOf("bookshop.v1.Orders/PlaceOrder");
    const order = await new Promise<Reply>((resolve, reject) => {
      const lines = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, reply) =>
        error === null ? resolve(reply ?? {}) : reject(error),
      );
      lines.write({ book: "shelves/fiction/books/dune", copies: 2 });
      lines.write({ book: "shelves/classics/books/emma", copies: 1 });
      lines.end();
    });
    assert.deepEqual(
      [order.name, order.total, (order.lines as Reply[]).length],
      ["orders/2", { currency_code: "EUR", units: "29", nanos: 970_000_000 }, 2],
    );
  });

  it("haggles, offer by offer", async () => {
    const { path, requestSerialize, responseDeserialize } = methodOf("bookshop.v1.Orders/Haggle");
    const talk = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const answers: Reply[] = [];
    for (const units of ["1", "10"]) {
      talk.write({ book: "shelves/fiction/books/dune", price: { currency_code: "EUR", units } });
      answers.push((await once(talk, "data"))[0]);
    }
    talk.end();
    await once(talk, "end");
    assert.deepEqual(
      answers.map(({ accepted, price }) => [accepted, (price as Reply).units, (price as Reply).nanos]),
      [
        [false, "9", 900_000_000],
        [true, "10", 0],
      ],
    );
  });
});

describe("startInstance()", { timeout: 20_000 }, () => {
  it("ends it within its drain limit although a watch goes on, with code 0", async () => {
    const instance = startInstance({ name: "three" });
    await instance.ready();
    const client = new Client(instance.address, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = methodOf("bookshop.v1.Bookshop/WatchBooks");
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      parent: "shelves/fiction",
    });
    watch.on("error", () => {}); // it is cut off, which is the point
    await once(watch, "data");
    await instance.stop();
    assert.equal(await instance.ended, "code 0");
    client.close();
  });

  it("says how it ended where it was killed", async () => {
    const instance = startInstance({ name: "four" });
    await instance.ready();
    process.kill(instance.pid ?? 0, "SIGKILL");
    assert.equal(await instance.ended, "SIGKILL");
  });

  it("stops waiting when it is told to", async () => {
    const instance = startInstance({ name: "five" });
    const reason = new Error("enough");
    await assert.rejects(instance.ready(AbortSignal.abort(reason)), reason);
    await instance.stop();
  });
});
