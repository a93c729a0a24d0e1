// `node scripts/write-schema.ts`: writes routes.schema.json anew from the options' schemas.
import { writeFileSync } from "node:fs";
import { jsonSchemaText } from "../src/config/json-schema.ts";

writeFileSync(new URL("../routes.schema.json", import.meta.url), jsonSchemaText());
