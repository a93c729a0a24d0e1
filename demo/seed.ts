/** What stands on the shelves when the shop opens: the same in every instance and in every run. */
import type { Book, Order, Shelf, Timestamp } from "./shop.ts";

export const shelves: readonly Shelf[] = [
  { name: "shelves/fiction", theme: "Science fiction" },
  { name: "shelves/classics", theme: "Classics" },
  { name: "shelves/computing", theme: "Computing" },
];

// The smallest PNG there is: one transparent pixel.
const COVER = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

type Row = readonly [
  shelf: string,
  id: string,
  title: string,
  author: string,
  published: string,
  isbn: string,
  cents: number,
  more?: Partial<Book>,
];

const rows: readonly Row[] = [
  [
    "fiction",
    "dune",
    "Dune",
    "Frank Herbert",
    "1965-08-01",
    "9780441172719",
    1099,
    {
      subtitle: { value: "Book one of the Dune chronicles" },
      authors: [
        { display_name: "Frank Herbert", role: "author" },
        { display_name: "John Schoenherr", role: "illustrator" },
      ],
      edition: 1,
      rating: { value: 4.7 },
      reading_time: { seconds: "75600", nanos: 0 },
      labels: { series: "Dune", award: "Hugo 1966" },
      stock: { London: 7, Oslo: 0, Zürich: 3 },
      cover: COVER,
    },
  ],
  ["fiction", "foundation", "Foundation", "Isaac Asimov", "1951-06-01", "9780553293357", 899],
  ["fiction", "kindred", "Kindred", "Octavia E. Butler", "1979-06-01", "9780807083697", 1500, { format: "EBOOK" }],
  ["fiction", "left-hand", "The Left Hand of Darkness", "Ursula K. Le Guin", "1969-03-01", "9780441478125", 999],
  ["fiction", "neuromancer", "Neuromancer", "William Gibson", "1984-07-01", "9780441569595", 1250],
  [
    "fiction",
    "next-year",
    "A Book of Next Year",
    "N. N.",
    "2031-01-01",
    "0",
    2400,
    { in_stock: undefined, pre_order: { ship_time: timestamp("2031-01-01") }, rating: null },
  ],
  ["classics", "emma", "Emma", "Jane Austen", "1815-12-23", "9780141439587", 799, { format: "HARDCOVER", edition: 3 }],
  ["classics", "middlemarch", "Middlemarch", "George Eliot", "1871-12-01", "9780141439549", 1199],
  [
    "classics",
    "odyssey",
    "The Odyssey",
    "Homer",
    "1614-01-01",
    "9780140268867",
    1700,
    {
      authors: [
        { display_name: "Homer", role: "author" },
        { display_name: "George Chapman", role: "translator" },
      ],
      in_stock: undefined,
      withdrawn: "out of print",
    },
  ],
  ["computing", "k-and-r", "The C Programming Language", "Brian W. Kernighan", "1978-02-22", "9780131103627", 6699],
  ["computing", "sicp", "Structure and Interpretation", "Harold Abelson", "1985-07-25", "9780262510875", 5500],
  ["computing", "taocp", "The Art of Computer Programming", "Donald E. Knuth", "1968-01-01", "9780201896831", 7999],
];

export const books: readonly Book[] = rows.map(([shelf, id, title, author, published, isbn, cents, more]) => ({
  name: `shelves/${shelf}/books/${id}`,
  title,
  subtitle: null,
  authors: [{ display_name: author, role: "author" }],
  format: "PAPERBACK",
  isbn,
  price: { currency_code: "EUR", units: String(Math.floor(cents / 100)), nanos: (cents % 100) * 10_000_000 },
  publish_time: timestamp(published),
  reading_time: { seconds: String(id.length * 3600), nanos: 0 },
  rating: { value: 4 },
  labels: {},
  stock: {},
  cover: new Uint8Array(0),
  in_stock: { copies: 10, reserved: 0 },
  revision: "1",
  ...more,
}));

export const orders: readonly Order[] = [
  {
    name: "orders/1",
    lines: [
      { book: "shelves/fiction/books/dune", copies: 2, note: "" },
      { book: "shelves/classics/books/emma", copies: 1, note: "Happy birthday!" },
    ],
    total: { currency_code: "EUR", units: "29", nanos: 970_000_000 },
    create_time: timestamp("2026-01-02"),
    state: "SHIPPED",
  },
];

function timestamp(day: string): Timestamp {
  return { seconds: String(Date.parse(day) / 1000), nanos: 0 };
}
