/** One way in which a reply can be written. */
export interface Offer<T> {
  /** `type/subtype` in lower case. */
  readonly type: string;
  /** A parameter that the client must name to get it, such as `indent=2`. */
  readonly parameter?: string;
  readonly value: T;
}

interface MediaRange {
  /** `type/subtype`, `type/*` or `*` + `/*`, in lower case. */
  readonly type: string;
  /** In lower case, without quotes, without `q`. */
  readonly parameters: readonly string[];
  /** 0 to 1. */
  readonly quality: number;
}

// Clients have few values of Accept; strangers may send any number of them.
const MAX_REMEMBERED = 200;
const MAX_REMEMBERED_LENGTH = 300;

/**
 * Chooses the way in which a reply is written (RFC 9110, section 12.5.1): by quality, then by how exactly the client
 * named it, then by the client's order, then by ours.
 */
export class Negotiator<T> {
  private readonly offers: readonly Offer<T>[];
  private readonly known = new Map<string, T | null>();

  /** The first offer is for those who take anything. */
  constructor(offers: readonly Offer<T>[]) {
    this.offers = offers;
  }

  /** Null where the client takes none of the offers. */
  choose(accept: string | undefined): T | null {
    const key = accept ?? "";
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const value = best(this.offers, parseAccept(key));
    if (this.known.size < MAX_REMEMBERED && key.length <= MAX_REMEMBERED_LENGTH) this.known.set(key, value);
    return value;
  }

  /** For messages. */
  get types(): string {
    return [...new Set(this.offers.map((offer) => offer.type))].join(", ");
  }
}

/** Whether the client wants failures as problem+json: it names that type, and likes JSON no better. */
export function wantsProblem(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes("problem+json")) return false;
  const ranges = parseAccept(accept);
  const named = ranges.find((range) => range.type === "application/problem+json");
  const json = ranges.find((range) => range.type === "application/json");
  return named !== undefined && named.quality > 0 && named.quality >= (json?.quality ?? 0);
}

function best<T>(offers: readonly Offer<T>[], ranges: readonly MediaRange[]): T | null {
  let found: Offer<T> | null = null;
  let foundRank: readonly number[] = [];
  for (const offer of offers) {
    const rank = rankOf(offer, ranges);
    if (rank === null || (found !== null && compare(rank, foundRank) <= 0)) continue;
    found = offer;
    foundRank = rank;
  }
  return found === null ? null : found.value;
}

/** Quality, exactness and place of the range that fits the offer most exactly; null where the client refuses it. */
function rankOf(offer: Offer<unknown>, ranges: readonly MediaRange[]): readonly number[] | null {
  let exactness = 0;
  let rank: readonly number[] | null = null;
  for (const [index, range] of ranges.entries()) {
    const fit = fitOf(offer, range);
    if (fit <= exactness) continue;
    exactness = fit;
    rank = range.quality === 0 ? null : [range.quality, fit, -index];
  }
  return rank;
}

/** 0: does not fit, 1: anything, 2: any subtype, 3: this type, 4: this type with the offer's parameter. */
function fitOf(offer: Offer<unknown>, { type, parameters }: MediaRange): number {
  if (type === offer.type) return offer.parameter !== undefined && parameters.includes(offer.parameter) ? 4 : 3;
  if (type === "*/*") return 1;
  return type.endsWith("/*") && offer.type.startsWith(type.slice(0, -1)) ? 2 : 0;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const ANYTHING: readonly MediaRange[] = [{ type: "*/*", parameters: [], quality: 1 }];

/**
 *     Accept      = [ media-range [ weight ] ] *( OWS "," OWS [ media-range [ weight ] ] )
 *     media-range = ( "*" "/*" / type "/*" / type "/" subtype ) *( OWS ";" OWS name "=" value )
 *     weight      = OWS ";" OWS "q=" qvalue
 *
 * What is none of this is left out; where nothing is left, the client has said nothing. `*` alone, which old clients
 * send, counts as any type.
 */
function parseAccept(accept: string): readonly MediaRange[] {
  const ranges: MediaRange[] = [];
  for (const element of splitOutsideQuotes(accept, ",")) {
    const [first = "", ...rest] = splitOutsideQuotes(element, ";").map((part) => part.trim().toLowerCase());
    const type = first === "*" ? "*/*" : first;
    if (!MEDIA_RANGE.test(type)) continue;
    const parameters = rest.map((parameter) => parameter.replaceAll('"', ""));
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    if (weight !== undefined && !WEIGHT.test(weight)) continue;
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    ranges.push({ type, parameters: parameters.filter((parameter) => parameter !== weight), quality });
  }
  return ranges.length === 0 ? ANYTHING : ranges;
}

const TOKEN = "[a-z0-9!#$%&'+.^_`|~-]+"; // in lower case, without the star
const MEDIA_RANGE = new RegExp(`^(?:\\*/\\*|${TOKEN}/(?:\\*|${TOKEN}))$`);
// A zero more or less before the point is no reason to give a client nothing.
const WEIGHT = /^q=(?:0?\.\d+|0\.?|1(?:\.0*)?)$/;

function splitOutsideQuotes(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isQuoted && char === "\\") i++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === separator && !isQuoted) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}
