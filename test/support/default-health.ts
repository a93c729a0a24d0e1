import { z } from "zod";
import { healthShape, toHealthOptions } from "../../src/upstream/health/options.ts";

/** What holds where a configuration says nothing. */
export const defaultHealth = toHealthOptions(z.object(healthShape).parse({}));
