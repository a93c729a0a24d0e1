import {
  FeatureSet_VisibilityFeature_DefaultSymbolVisibility as DefaultVisibility,
  SymbolVisibility,
} from "@bufbuild/protobuf/wkt";
import { featureOf } from "./features.ts";
import { referredName } from "./link.ts";
import type { Problems } from "./source.ts";
import type { EnumSymbol, MessageSymbol, SymbolTable } from "./symbols.ts";
import type { FileUnit } from "./unit.ts";

/** Reports uses of what another file keeps local (edition 2024). Comes after options: a feature sets the default. */
export function checkVisibility(unit: FileUnit, table: SymbolTable, problems: Problems): void {
  for (const reference of unit.references) {
    const symbol = table.get(referredName(reference).slice(1));
    if (symbol === undefined || symbol.unit === unit || (symbol.kind !== "message" && symbol.kind !== "enum")) continue;
    if (!isLocal(symbol)) continue;
    problems.add(
      unit.source,
      reference.offset,
      `${symbol.kind} "${symbol.name}" is local to "${symbol.unit.name}"; only "export ${symbol.kind}" can be used here`,
    );
  }
}

function isLocal(symbol: MessageSymbol | EnumSymbol): boolean {
  switch (symbol.desc.visibility) {
    case SymbolVisibility.VISIBILITY_EXPORT:
      return false;
    case SymbolVisibility.VISIBILITY_LOCAL:
      return true;
    default: {
      const rule = featureOf(symbol, "defaultSymbolVisibility");
      if (rule === DefaultVisibility.EXPORT_ALL) return false;
      return rule === DefaultVisibility.EXPORT_TOP_LEVEL ? symbol.parent !== undefined : true;
    }
  }
}
