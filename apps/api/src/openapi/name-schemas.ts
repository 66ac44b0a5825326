import type { SchemaObject } from 'openapi3-ts/oas31';

/** Turns a schema into one for the document: what has a name becomes a reference to it. */
export type Naming = (schema: object) => SchemaObject;

/** Schemas are known by what they say, so that it does not matter by which way a named one came into another. */
export function namingOf(named: Readonly<Record<string, object>>): Naming {
  const names = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]));
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const name = names.get(JSON.stringify(value));
    return name === undefined ? within(value) : { $ref: `#/components/schemas/${name}` };
  };
  const within = (schema: object): object => {
    const parts = Object.entries(schema).map(([key, part]) => [key, walk(part)]);
    return { ...typeOfChoices(schema), ...Object.fromEntries(parts) };
  };
  return walk as Naming;
}

/** The named schemas themselves: only what is inside each becomes a reference. */
export function definitionsOf(named: Readonly<Record<string, object>>): Record<string, SchemaObject> {
  return Object.fromEntries(
    Object.entries(named).map(([name, schema]) => {
      const { [name]: _itself, ...others } = named;
      return [name, namingOf(others)(schema)];
    }),
  );
}

/** Generators of clients want to hear that choices of words are strings. */
function typeOfChoices(schema: object): object {
  const { enum: choices } = schema as { enum?: unknown };
  const isWords = Array.isArray(choices) && choices.every((choice) => typeof choice === 'string');
  return isWords ? { type: 'string' } : {};
}
