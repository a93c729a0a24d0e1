import { create } from "@bufbuild/protobuf";
import {
  MethodDescriptorProtoSchema,
  MethodOptionsSchema,
  ServiceDescriptorProtoSchema,
  type ServiceDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { addOptions, joinName, parseBlock, type ParseContext } from "./parse-context.ts";
import { parseOptionStatement } from "./parse-option.ts";
import type { OptionStatement } from "./unit.ts";

/** `service Name { option…; rpc…; }` */
export function parseService(context: ParseContext, into: ServiceDescriptorProto[]): void {
  const { cursor } = context;
  cursor.expect("service");
  const { text: name, offset } = cursor.expectIdentifier("the name of a service");
  const service = create(ServiceDescriptorProtoSchema, { name });
  context.offsets.set(service, offset);
  into.push(service);
  const statements: OptionStatement[] = [];
  parseBlock(context, `service "${name}"`, () => {
    if (cursor.at("option")) statements.push(parseOptionStatement(cursor));
    else if (cursor.at("rpc")) parseMethod(context, service);
    else cursor.fail('"rpc", "option" or "}"');
  });
  addOptions(context, { owner: service, kind: "ServiceOptions", scope: name, statements });
}

/** `rpc Name (stream In) returns (stream Out) { option…; }` */
function parseMethod(context: ParseContext, service: ServiceDescriptorProto): void {
  const { cursor } = context;
  cursor.expect("rpc");
  const { text: name, offset } = cursor.expectIdentifier("the name of an rpc");
  const method = create(MethodDescriptorProtoSchema, { name });
  context.offsets.set(method, offset);
  service.method.push(method);
  const scope = joinName(service.name, name);

  const message = (role: "input" | "output"): { streaming: boolean; type: string } => {
    cursor.expect("(");
    const streaming = cursor.take("stream");
    context.references.push({ role, owner: method, scope, offset: cursor.offset });
    const type = cursor.expectDottedName("the name of a message", true);
    cursor.expect(")");
    return { streaming, type };
  };
  const input = message("input");
  method.inputType = input.type;
  if (input.streaming) method.clientStreaming = true;
  cursor.expect("returns", " after the request");
  const output = message("output");
  method.outputType = output.type;
  if (output.streaming) method.serverStreaming = true;

  if (cursor.take(";")) return;
  // As protoc: the braces alone leave an empty options message.
  method.options = create(MethodOptionsSchema);
  const statements: OptionStatement[] = [];
  parseBlock(context, `rpc "${name}"`, () => {
    if (cursor.at("option")) statements.push(parseOptionStatement(cursor));
    else cursor.fail('"option" or "}"');
  });
  addOptions(context, { owner: method, kind: "MethodOptions", scope, statements });
}
