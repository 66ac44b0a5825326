import type { SchemaObject } from 'openapi3-ts/oas31';

/** Turns a schema into one for the document: what has a name becomes a reference to it. */
export type Naming = (schema: object) => SchemaObject;

/** Finds the name of a schema. */
type Names = (schema: object) => string | undefined;

/** Schemas are known by what they say, so that it does not matter by which way a named one came into another. */
export function namingOf(named: Readonly<Record<string, object>>): Naming {
  return namingBy(namesOf(named));
}

/** The named schemas themselves: only what is inside each becomes a reference. */
export function definitionsOf(named: Readonly<Record<string, object>>): Record<string, SchemaObject> {
  const names = namesOf(named);
  const definitions = Object.entries(named).map(([name, schema]) => [
    name,
    withDefaultsInWords(namingBy(names, name)(schema)),
  ]);
  return Object.fromEntries(definitions);
}

/**
 * Writes defaults into the descriptions: openapi-typescript makes every field of a named schema that has a default
 * required, since the schema may be that of an answer.
 */
function withDefaultsInWords(schema: SchemaObject): SchemaObject {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const { default: preset, ...rest } = Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, walk(part)]),
    );
    if (preset === undefined) return rest;
    // Here `default` is the name of a field.
    if (typeof preset === 'object') return { ...rest, default: preset };
    return { ...rest, description: [rest.description, `Default: ${preset}.`].filter(Boolean).join(' ') };
  };
  return walk(schema) as SchemaObject;
}

function namesOf(named: Readonly<Record<string, object>>): Names {
  const byText = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]));
  // Most parts have other fields than any of them, and need not be written out.
  const forms = new Set(Object.values(named).map(formOf));
  return (schema) => (forms.has(formOf(schema)) ? byText.get(JSON.stringify(schema)) : undefined);
}

const formOf = (schema: object): string => Object.keys(schema).join();

/** Without the one that is `itself` defined. */
function namingBy(names: Names, itself?: string): Naming {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const name = names(value);
    return name === undefined || name === itself ? within(value) : { $ref: `#/components/schemas/${name}` };
  };
  const within = (schema: object): object => {
    const parts = Object.entries(schema).map(([key, part]) => [key, walk(part)]);
    return { ...typeOfChoices(schema), ...Object.fromEntries(parts) };
  };
  return walk as Naming;
}

/** Generators of clients want to hear that choices of words are strings. */
function typeOfChoices(schema: object): object {
  const { enum: choices } = schema as { enum?: unknown };
  const isWords = Array.isArray(choices) && choices.every((choice) => typeof choice === 'string');
  return isWords ? { type: 'string' } : {};
}
