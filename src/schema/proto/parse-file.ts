import { create } from "@bufbuild/protobuf";
import { Edition, FileDescriptorProtoSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { didYouMean } from "../../core/suggest.ts";
import { Cursor } from "./cursor.ts";
import { lex, type Token } from "./lexer.ts";
import { addOptions, isEditions, parseOrSkip, report, type ParseContext } from "./parse-context.ts";
import { parseEnum } from "./parse-enum.ts";
import { parseExtend, parseMessage } from "./parse-message.ts";
import { parseOptionStatement } from "./parse-option.ts";
import { parseService } from "./parse-service.ts";
import { parseVisibility } from "./parse-visibility.ts";
import { SyntaxFailure, type Problems, type SourceText } from "./source.ts";
import type { FileUnit, ImportStatement, OptionStatement } from "./unit.ts";

const EDITIONS: ReadonlyMap<string, Edition> = new Map([
  ["2023", Edition.EDITION_2023],
  ["2024", Edition.EDITION_2024],
]);

/**
 * Reads one .proto file: proto2, proto3, editions 2023 and 2024. What is wrong with its syntax goes to `problems`; the
 * unit then holds what could be understood. Follows protoc's compiler/parser.cc.
 *
 *     file      = [ ("syntax" | "edition") "=" string ";" ] { statement }
 *     statement = "import" ["public" | "weak" | "option"] string ";" | "package" name ";" | option
 *               | [ "export" | "local" ] ( message | enum ) | extend | service | ";"
 */
export function parseFile(name: string, source: SourceText, problems: Problems): FileUnit {
  const proto = create(FileDescriptorProtoSchema, { name });
  const imports: ImportStatement[] = [];
  const context: ParseContext = {
    cursor: new Cursor(source.text, tokensOf(source, problems)),
    source,
    problems,
    edition: Edition.EDITION_PROTO2,
    references: [],
    options: [],
    offsets: new Map(),
  };
  if (parseHeader(context, proto)) parseStatements(context, proto, imports);
  const { references, options, offsets } = context;
  return { name, source, proto, imports, references, options, offsets };
}

/** No tokens but the end where one is malformed: all behind it would be misread. */
function tokensOf(source: SourceText, problems: Problems): Token[] {
  try {
    return lex(source.text);
  } catch (error) {
    if (!(error instanceof SyntaxFailure)) throw error;
    problems.add(source, error.offset, error.message);
    return [{ kind: "end", text: "", offset: source.text.length }];
  }
}

/** False where it is unknown how to read on. */
function parseHeader(context: ParseContext, proto: FileDescriptorProto): boolean {
  const keyword = context.cursor.current.text;
  if (keyword !== "syntax" && keyword !== "edition") return true;
  try {
    parseSyntax(context, proto, keyword);
    return true;
  } catch (error) {
    if (!(error instanceof SyntaxFailure)) throw error;
    report(context, error.offset, error.message);
    return false;
  }
}

function parseSyntax(context: ParseContext, proto: FileDescriptorProto, keyword: "syntax" | "edition"): void {
  const { cursor } = context;
  cursor.advance();
  cursor.expect("=", ` after "${keyword}"`);
  const { offset } = cursor;
  const value = cursor.expectText(
    keyword === "syntax" ? '"proto2" or "proto3" in quotes' : 'an edition in quotes, such as "2023"',
  );
  cursor.expect(";", ` after the ${keyword}`);
  if (keyword === "edition") {
    const edition = EDITIONS.get(value);
    if (edition === undefined) {
      throw new SyntaxFailure(offset, `unknown edition "${value}"; expected ${[...EDITIONS.keys()].join(" or ")}`);
    }
    context.edition = edition;
    proto.syntax = "editions";
    proto.edition = edition;
  } else if (value === "proto3") {
    context.edition = Edition.EDITION_PROTO3;
    proto.syntax = value;
  } else if (value !== "proto2") {
    const hint = didYouMean(value, ["proto2", "proto3"]);
    throw new SyntaxFailure(offset, `unknown syntax "${value}"; expected "proto2" or "proto3"${hint}`);
  }
}

const STATEMENTS = ["import", "package", "option", "message", "enum", "service", "extend", "export", "local"];

function parseStatements(context: ParseContext, proto: FileDescriptorProto, imports: ImportStatement[]): void {
  const { cursor } = context;
  const statements: OptionStatement[] = [];
  let hasPackage = false;
  while (!cursor.atEnd()) {
    if (cursor.at("}")) {
      report(context, cursor.offset, '"}" closes nothing');
      cursor.advance();
      continue;
    }
    parseOrSkip(context, () => {
      if (cursor.take(";")) return;
      const visibility = parseVisibility(context);
      const { text, offset } = cursor.current;
      switch (text) {
        case "message":
          return parseMessage(context, { into: proto.messageType, scope: "", depth: 1, visibility });
        case "enum":
          return parseEnum(context, { into: proto.enumType, scope: "", visibility });
        case "service":
          return parseService(context, proto.service);
        case "extend":
          return parseExtend(context, { fields: proto.extension, nested: proto.messageType, scope: "", depth: 1 });
        case "import":
          return parseImport(context, proto, imports);
        case "option":
          statements.push(parseOptionStatement(cursor));
          return;
        case "package":
          if (hasPackage) report(context, offset, "a file has one package only");
          hasPackage = true;
          cursor.advance();
          proto.package = cursor.expectDottedName("the name of a package", false);
          return cursor.expect(";", " after the package");
        case "syntax":
        case "edition":
          throw new SyntaxFailure(offset, `"${text}" must be the first statement of a file`);
        default: {
          const hint = didYouMean(text, STATEMENTS);
          throw new SyntaxFailure(
            offset,
            `expected "message", "enum", "service" or another statement, found "${text}"${hint}`,
          );
        }
      }
    });
  }
  // The dummy is where protoc looks up the names of file options, too: in the package and outwards.
  addOptions(context, { owner: proto, kind: "FileOptions", scope: "dummy", statements });
}

function parseImport(context: ParseContext, proto: FileDescriptorProto, imports: ImportStatement[]): void {
  const { cursor } = context;
  const start = cursor.offset;
  cursor.expect("import");
  const kind = parseImportKind(context);
  const { offset } = cursor;
  const name = cursor.expectText("the name of a file in quotes");
  cursor.expect(";", " after the import");
  if (imports.some((known) => known.name === name)) report(context, offset, `"${name}" is imported twice`);
  if (kind === "option") {
    proto.optionDependency.push(name);
  } else {
    if (proto.optionDependency.length > 0) report(context, start, '"import option" must come after all other imports');
    if (kind === "public") proto.publicDependency.push(proto.dependency.length);
    if (kind === "weak") proto.weakDependency.push(proto.dependency.length);
    proto.dependency.push(name);
  }
  imports.push({ name, kind, offset });
}

function parseImportKind(context: ParseContext): ImportStatement["kind"] {
  const { cursor, edition } = context;
  const { offset } = cursor;
  const since2024 = isEditions(context) && edition >= Edition.EDITION_2024;
  if (cursor.take("public")) return "public";
  if (cursor.take("weak")) {
    if (since2024)
      report(context, offset, '"import weak" ended with edition 2024; "import option" may be what is meant');
    return "weak";
  }
  if (cursor.take("option")) {
    if (!since2024) report(context, offset, '"import option" needs edition 2024');
    return "option";
  }
  return "plain";
}
