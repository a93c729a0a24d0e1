import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";

// Field numbers of google/protobuf/descriptor.proto: FileDescriptorProto.service, ServiceDescriptorProto.method.
const SERVICE = 6;
const METHOD = 2;

const cache = new WeakMap<FileDescriptorProto, ReadonlyMap<string, string>>();

/** `file:line:column` of each rpc by the file's source info, keyed by `pkg.Service/Method`; empty where it has none. */
export function sourcePlaces(file: FileDescriptorProto): ReadonlyMap<string, string> {
  let places = cache.get(file);
  if (places === undefined) cache.set(file, (places = readPlaces(file)));
  return places;
}

function readPlaces(file: FileDescriptorProto): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  const prefix = file.package === "" ? "" : `${file.package}.`;
  for (const { path, span } of file.sourceCodeInfo?.location ?? []) {
    const [first, serviceIndex = -1, second, methodIndex = -1] = path;
    if (path.length !== 4 || first !== SERVICE || second !== METHOD) continue;
    const service = file.service[serviceIndex];
    const method = service?.method[methodIndex];
    const [line, column] = span;
    if (service === undefined || method === undefined || line === undefined || column === undefined) continue;
    // Source info counts from 0.
    places.set(`${prefix}${service.name}/${method.name}`, `${file.name}:${line + 1}:${column + 1}`);
  }
  return places;
}
