/**
 * Fastify's `schemaController` for a server whose routes have no schemas: without it a compiler of JSON Schema, some
 * hundred modules, is loaded at start.
 */
export const NO_SCHEMAS = { compilersFactory: { buildValidator: refuse, buildSerializer: refuse } };

function refuse(): never {
  throw new Error("routes have no schemas");
}
