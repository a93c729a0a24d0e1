/** The bookshop itself, in memory: no gRPC here. Messages have the shape that @grpc/proto-loader gives them. */
import { EventEmitter } from "node:events";
import * as seed from "./seed.ts";

export interface Timestamp {
  /** 64-bit, in decimal. */
  readonly seconds: string;
  readonly nanos: number;
}
export type Duration = Timestamp;

export interface Money {
  readonly currency_code: string;
  readonly units: string;
  readonly nanos: number;
}

export interface Shelf {
  readonly name: string;
  readonly theme: string;
}

export interface Book {
  readonly name: string;
  readonly title: string;
  readonly subtitle: { readonly value: string } | null;
  readonly authors: readonly { readonly display_name: string; readonly role: string }[];
  readonly format: string;
  readonly isbn: string;
  readonly price: Money | null;
  readonly publish_time: Timestamp | null;
  readonly reading_time: Duration | null;
  readonly rating: { readonly value: number } | null;
  readonly edition?: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly stock: Readonly<Record<string, number>>;
  readonly cover: Uint8Array;
  readonly in_stock?: { readonly copies: number; readonly reserved: number } | undefined;
  readonly pre_order?: { readonly ship_time: Timestamp | null } | undefined;
  readonly withdrawn?: string | undefined;
  readonly revision: string;
}

export interface BookFilter {
  readonly formats: readonly string[];
  readonly min_rating: { readonly value: number } | null;
  readonly published_after: Timestamp | null;
}

export interface OrderLine {
  readonly book: string;
  readonly copies: number;
  readonly note: string;
}

export interface Order {
  readonly name: string;
  readonly lines: readonly OrderLine[];
  readonly total: Money | null;
  readonly create_time: Timestamp;
  readonly state: "PLACED" | "SHIPPED";
}

/** What one instance tells the others, so that all sell the same books. */
export type Change =
  | { readonly kind: "CREATED" | "UPDATED" | "DELETED"; readonly book: Book }
  | { readonly kind: "ORDERED"; readonly order: Order };

type Reason = "NOT_FOUND" | "ALREADY_EXISTS" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION";

/** A request that the shop refuses; `subject` is the resource's name, or the field's for INVALID_ARGUMENT. */
export class Refusal extends Error {
  readonly reason: Reason;
  readonly subject: string;

  constructor(reason: Reason, subject: string, message: string) {
    super(message);
    this.reason = reason;
    this.subject = subject;
  }
}

const PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
const DAY_SECONDS = 24 * 60 * 60;

export class Shop {
  readonly shelves = seed.shelves;
  /** `change`: a Change was made here, or taken from another instance. `made`: it was made here. */
  readonly events = new EventEmitter<{ change: [Change]; made: [Change] }>().setMaxListeners(0);
  readonly #books = new Map(seed.books.map((book) => [book.name, book]));
  readonly #orders = new Map(seed.orders.map((order) => [order.name, order]));

  getShelf(name: string): Shelf {
    const shelf = this.shelves.find((shelf) => shelf.name === name);
    if (shelf === undefined) throw new Refusal("NOT_FOUND", name, `there is no shelf "${name}"`);
    return shelf;
  }

  getBook(name: string): Book {
    const book = this.#books.get(name);
    if (book === undefined) throw new Refusal("NOT_FOUND", name, `there is no book "${name}"`);
    return book;
  }

  getOrder(name: string): Order {
    const order = this.#orders.get(name);
    if (order === undefined) throw new Refusal("NOT_FOUND", name, `there is no order "${name}"`);
    return order;
  }

  /** The books of one shelf, in order of their names. */
  booksOf(shelf: string): Book[] {
    this.getShelf(shelf);
    return this.#sorted((book) => shelfOf(book.name) === shelf);
  }

  search(query: string): Book[] {
    const words = query.toLowerCase().split(/\s+/);
    return this.#sorted((book) => {
      const authors = book.authors.map((author) => author.display_name);
      const text = [book.title, book.subtitle?.value ?? "", ...authors].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  /** Without an id it is made from the title, and counted up where it is taken. */
  createBook(shelf: string, id: string, draft: Book | null): Book {
    this.getShelf(shelf);
    if (draft === null || draft.title === "") {
      throw new Refusal("INVALID_ARGUMENT", "book.title", "a book needs a title");
    }
    const name = id === "" ? this.#freeName(shelf, draft.title) : `${shelf}/books/${id}`;
    if (this.#books.has(name)) throw new Refusal("ALREADY_EXISTS", name, `the book "${name}" is there already`);
    return this.#make("CREATED", { ...draft, name, revision: "1" });
  }

  /** `paths` as in google.protobuf.FieldMask; empty means every field that is set. */
  updateBook(patch: Book, paths: readonly string[]): Book {
    const book = structuredClone(this.getBook(patch.name)) as Book & Record<string, unknown>;
    const isSet = ([, value]: [string, unknown]): boolean => !isDefault(value);
    const fields = Object.entries(patch)
      .filter(isSet)
      .map(([field]) => field);
    for (const path of paths.length > 0 ? paths : fields) {
      if (path !== "name" && path !== "revision") copyField(patch, book, path);
    }
    return this.#make("UPDATED", { ...book, revision: String(BigInt(book.revision) + 1n) });
  }

  deleteBook(name: string): void {
    this.#make("DELETED", this.getBook(name));
  }

  /** Sets copies aside; the hold ends by itself only on paper. */
  reserve(name: string, copies: number, hold: Duration | null): { book: Book; expire_time: Timestamp } {
    const book = this.getBook(name);
    const wanted = copies || 1;
    const left = (book.in_stock?.copies ?? 0) - (book.in_stock?.reserved ?? 0);
    if (book.in_stock === undefined || left < wanted) {
      throw new Refusal("FAILED_PRECONDITION", name, `${wanted} of "${book.title}" wanted and ${left} left`);
    }
    const in_stock = { copies: book.in_stock.copies, reserved: book.in_stock.reserved + wanted };
    const seconds = hold === null ? DAY_SECONDS : Number(hold.seconds);
    return { book: this.updateBook({ ...book, in_stock }, ["in_stock"]), expire_time: now(seconds) };
  }

  placeOrder(lines: readonly OrderLine[]): Order {
    if (lines.length === 0) throw new Refusal("INVALID_ARGUMENT", "lines", "an order needs a line");
    const cents = lines.reduce((sum, line) => sum + toCents(this.getBook(line.book).price) * line.copies, 0);
    const name = `orders/${this.#orders.size + 1}`;
    const order: Order = { name, lines, total: fromCents(cents), create_time: now(), state: "PLACED" };
    this.#tell({ kind: "ORDERED", order });
    return order;
  }

  /** The shop takes nine tenths of its price, and never less. */
  haggle(name: string, offered: Money | null): { book: string; price: Money; accepted: boolean } {
    const floor = Math.ceil(toCents(this.getBook(name).price) * 0.9);
    const accepted = toCents(offered) >= floor;
    return { book: name, price: accepted && offered !== null ? offered : fromCents(floor), accepted };
  }

  /** Takes over what another instance did. */
  apply(change: Change): void {
    if (change.kind === "ORDERED") this.#orders.set(change.order.name, change.order);
    else if (change.kind === "DELETED") this.#books.delete(change.book.name);
    else this.#books.set(change.book.name, change.book);
    this.events.emit("change", change);
  }

  #make(kind: "CREATED" | "UPDATED" | "DELETED", book: Book): Book {
    this.#tell({ kind, book });
    return book;
  }

  #tell(change: Change): void {
    this.apply(change);
    this.events.emit("made", change);
  }

  #freeName(shelf: string, title: string): string {
    const stem = `${shelf}/books/${
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}]+/gu, "-")
        .replace(/^-|-$/g, "") || "book"
    }`;
    let name = stem;
    for (let next = 2; this.#books.has(name); next++) name = `${stem}-${next}`;
    return name;
  }

  #sorted(isWanted: (book: Book) => boolean): Book[] {
    const found = [...this.#books.values()].filter(isWanted);
    return found.sort((left, right) => (left.name < right.name ? -1 : 1));
  }
}

/** `shelves/fiction/books/dune` -> `shelves/fiction` */
export function shelfOf(name: string): string {
  return name.split("/", 2).join("/");
}

export function matches(book: Book, filter: BookFilter | null): boolean {
  if (filter === null) return true;
  if (filter.formats.length > 0 && !filter.formats.includes(book.format)) return false;
  if (filter.min_rating !== null && (book.rating?.value ?? 0) < filter.min_rating.value) return false;
  if (filter.published_after === null) return true;
  return book.publish_time !== null && Number(book.publish_time.seconds) > Number(filter.published_after.seconds);
}

/** One page; the token is the name of the last book of the page before. */
export function pageOf(books: readonly Book[], pageSize: number, pageToken: string) {
  if (pageSize < 0) throw new Refusal("INVALID_ARGUMENT", "page_size", "a page cannot be smaller than nothing");
  const rest = pageToken === "" ? books : books.filter((book) => book.name > pageToken);
  const page = rest.slice(0, Math.min(pageSize || PAGE_SIZE, MAX_PAGE_SIZE));
  return { books: page, next_page_token: page.length < rest.length ? (page.at(-1)?.name ?? "") : "" };
}

export function now(plusSeconds = 0): Timestamp {
  const ms = Date.now();
  return { seconds: String(Math.floor(ms / 1000) + plusSeconds), nanos: (ms % 1000) * 1_000_000 };
}

/** Copies the field that a mask's path names, through messages that are there or wanted. */
function copyField(from: object, to: object, path: string): void {
  const segments = path.split(".");
  let source: unknown = from;
  let target = to as Record<string, unknown>;
  segments.forEach((segment, index) => {
    source = (source as Record<string, unknown> | null)?.[segment];
    if (index === 0 && !FIELDS.has(segment)) {
      throw new Refusal("INVALID_ARGUMENT", "update_mask", `a book has no field "${path}"`);
    }
    if (index === segments.length - 1) {
      if (AVAILABILITY.includes(segment)) for (const other of AVAILABILITY) delete target[other];
      target[segment] = source;
    } else {
      target = (target[segment] ??= {}) as Record<string, unknown>;
    }
  });
}

const AVAILABILITY = ["in_stock", "pre_order", "withdrawn"];
const FIELDS = new Set([...seed.books.flatMap((book) => Object.keys(book)), ...AVAILABILITY]);

function isDefault(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === "0") return true;
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0;
  return value === "FORMAT_UNSPECIFIED" || (typeof value === "object" && Object.keys(value).length === 0);
}

function toCents(money: Money | null): number {
  return money === null ? 0 : Number(money.units) * 100 + Math.round(money.nanos / 10_000_000);
}

function fromCents(cents: number): Money {
  return { currency_code: "EUR", units: String(Math.floor(cents / 100)), nanos: (cents % 100) * 10_000_000 };
}
