import type { Endpoint } from "./resolver.ts";
import { Subset } from "./subset.ts";
import type { ZonePreference } from "./zones.ts";

/** How much of a fleet is used, and which part of it first. */
export interface FleetOptions {
  /** Where the gateway is; "" where that is unknown. */
  readonly zone: string;
  /** Null: no zone is preferred. */
  readonly zonePreference: ZonePreference | null;
  /** What subsets are made of. */
  readonly client: string;
  /** Instances of a subset; Infinity: all. */
  readonly subsetSize: number;
  /** More than so many are not used, with a warning. */
  readonly maxEndpoints: number;
}

/** The part of each list that is used. */
export class Fleet {
  private readonly options: FleetOptions;
  private readonly subset: Subset;
  private readonly onLimited: (listed: number, used: number) => void;
  private isLimited = false;

  /** `onLimited` is called when lists begin to have more than `maxEndpoints` that would be used. */
  constructor(options: FleetOptions, onLimited: (listed: number, used: number) => void) {
    this.options = options;
    this.subset = new Subset(options.client);
    this.onLimited = onLimited;
  }

  choose(all: readonly Endpoint[]): readonly Endpoint[] {
    const { subsetSize, maxEndpoints } = this.options;
    const live = all.reduce((count, { weight }) => count + Number(weight > 0), 0);
    const isLimited = Math.min(live, subsetSize) > maxEndpoints;
    if (isLimited && !this.isLimited) this.onLimited(live, maxEndpoints);
    this.isLimited = isLimited;
    const size = Math.min(subsetSize, maxEndpoints);
    return live <= size ? all : this.subset.choose(all, size);
  }
}
