import { isMap, parseDocument, type Node } from "yaml";

/** Over which connection the gateways of this run reach their upstreams: `SLUICE_TEST_TRANSPORT`, or the default. */
export const transport = process.env.SLUICE_TEST_TRANSPORT === "grpc-js" ? "grpc-js" : "http2";

/**
 * A routes.yaml whose upstreams use the connection of this run; those that say which they want, or have options of one
 * alone, stay. A text that is no such configuration is given back as it is.
 */
export function overTransport(yaml: string): string {
  if (transport === "http2") return yaml;
  const upstreams = parseDocument(yaml).get("upstreams");
  if (!isMap(upstreams)) return yaml;
  const places = upstreams.items.flatMap(({ value }) => {
    if (!isMap(value) || value.has("transport") || value.has("keepalive")) return [];
    const start = (value.items[0]?.key as Node | undefined)?.range?.[0];
    return start === undefined ? [] : [{ start, isFlow: value.flow === true }];
  });
  let text = yaml;
  for (const { start, isFlow } of places.reverse()) {
    const indent = " ".repeat(start - (text.lastIndexOf("\n", start - 1) + 1));
    text = `${text.slice(0, start)}transport: ${transport}${isFlow ? ", " : `\n${indent}`}${text.slice(start)}`;
  }
  return text;
}
