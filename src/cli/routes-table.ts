type Kind = "unary" | "server_stream" | "client_stream" | "bidi_stream";

/** One binding as `sluice routes` shows it. */
export interface RouteRow {
  /** HTTP method; `*` for every one. */
  readonly method: string;
  /** Path template as declared. */
  readonly path: string;
  /** `pkg.Service/Method` */
  readonly rpc: string;
  readonly upstream: string;
  /** Where it is declared: `routes.yaml:12:5`, or the annotation's place. */
  readonly source: string;
  /** The kind of the rpc, and `http_body` where body or reply are a google.api.HttpBody. */
  readonly served: `${Kind}${" http_body" | ""}`;
}

const COLUMNS = ["method", "path", "rpc", "upstream", "source", "served"] as const satisfies (keyof RouteRow)[];

/** The rows as an aligned table with a heading, one line each, without a line end at the end. */
export function formatRoutes(rows: readonly RouteRow[]): string {
  if (rows.length === 0) return "no routes";
  const table = [COLUMNS.map((column) => column.toUpperCase()), ...rows.map((row) => COLUMNS.map((key) => row[key]))];
  const widths = COLUMNS.map((_, index) =>
    table.reduce((width, cells) => Math.max(width, cells[index]?.length ?? 0), 0),
  );
  return table
    .map((cells) =>
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
