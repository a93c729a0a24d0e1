import { z } from "zod";
import type { FleetOptions } from "../../src/upstream/fleet.ts";
import { healthShape, toHealthOptions } from "../../src/upstream/health/options.ts";

/** Every instance, wherever it is. */
export const wholeFleet: FleetOptions = {
  zone: "",
  zonePreference: null,
  client: "lab",
  subsetSize: Infinity,
  maxEndpoints: Infinity,
};

/** What holds where a configuration says nothing. */
export const defaultHealth = toHealthOptions(z.object(healthShape).parse({}));
