/** Content codings that replies may have (RFC 9110, section 8.4.1; RFC 8878 for zstd). */
export const REPLY_CODINGS = ["zstd", "br", "gzip"] as const;

export type ReplyCoding = (typeof REPLY_CODINGS)[number];

/** What Accept-Encoding says. */
export interface CodingChoice {
  /** Null: as it is. */
  readonly coding: ReplyCoding | null;
  /** The client refuses what has no coding. */
  readonly refusesIdentity: boolean;
}

const AS_IT_IS: CodingChoice = { coding: null, refusesIdentity: false };

// Clients have few values of it; strangers may send any number of them.
const MAX_REMEMBERED = 100;
const MAX_REMEMBERED_LENGTH = 200;

/**
 * Chooses the coding of replies (RFC 9110, section 12.5.3): the one that the client likes best, and of equal ones the
 * first of `offers`; none where it names `identity` as better. A header that is none offers nothing.
 */
export class CodingNegotiator {
  private readonly offers: readonly ReplyCoding[];
  private readonly known = new Map<string, CodingChoice>();

  constructor(offers: readonly ReplyCoding[]) {
    this.offers = offers;
  }

  choose(acceptEncoding: string | undefined): CodingChoice {
    if (acceptEncoding === undefined) return AS_IT_IS;
    const known = this.known.get(acceptEncoding);
    if (known !== undefined) return known;
    const choice = this.judge(acceptEncoding);
    if (this.known.size < MAX_REMEMBERED && acceptEncoding.length <= MAX_REMEMBERED_LENGTH) {
      this.known.set(acceptEncoding, choice);
    }
    return choice;
  }

  private judge(acceptEncoding: string): CodingChoice {
    const qualities = parse(acceptEncoding);
    const others = qualities.get("*") ?? 0;
    // Where it is not named it is acceptable, but no coding that is has to give way to it.
    const identity = qualities.get("identity") ?? 0;
    let coding: ReplyCoding | null = null;
    let best = identity;
    for (const offer of this.offers) {
      const quality = qualities.get(offer) ?? others;
      if (quality === 0 || (coding === null ? quality < best : quality <= best)) continue;
      coding = offer;
      best = quality;
    }
    const refusesIdentity = (qualities.get("identity") ?? qualities.get("*")) === 0;
    return { coding, refusesIdentity };
  }
}

const CODING = /^([a-z0-9*!#$%&'+.^_`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

function parse(header: string): ReadonlyMap<string, number> {
  const qualities = new Map<string, number>();
  for (const element of header.toLowerCase().split(",")) {
    const found = CODING.exec(element.trim());
    if (found?.[1] === undefined) continue;
    // RFC 9110, section 8.4.1.3: x-gzip is the same.
    const name = found[1] === "x-gzip" ? "gzip" : found[1];
    if (!qualities.has(name)) qualities.set(name, found[2] === undefined ? 1 : Number(found[2]));
  }
  return qualities;
}
