import type { SchemaObject } from 'openapi3-ts/oas31';

/** Converts a schema for the document: named schemas in it become references. */
export type Naming = (schema: object) => SchemaObject;

/** Collects the named schemas among those that it converts: see `named` in contracts. */
export function nameSchemas() {
  const definitions: Record<string, SchemaObject> = {};
  const naming = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const { title, ...schema } = value as { title?: unknown };
    if (typeof title !== 'string') return within(value);
    definitions[title] ??= withDefaultsInWords(within(schema)) as SchemaObject;
    return { $ref: `#/components/schemas/${title}` };
  };
  const within = (schema: object): unknown => {
    if (Array.isArray(schema)) return schema.map(naming);
    const parts = Object.entries(schema).map(([key, part]) => [key, naming(part)]);
    return { ...typeOfChoices(schema), ...Object.fromEntries(parts) };
  };
  return { naming: naming as Naming, definitions };
}

/** Client generators expect an enum of strings to have the type `string`. */
function typeOfChoices(schema: object): object {
  const { enum: choices } = schema as { enum?: unknown };
  const isWords = Array.isArray(choices) && choices.every((choice) => typeof choice === 'string');
  return isWords ? { type: 'string' } : {};
}

/**
 * Moves defaults into the descriptions. With a default, openapi-typescript would make a field of a named schema
 * required, because the schema might describe an answer.
 */
function withDefaultsInWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDefaultsInWords);
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withDefaultsInWords(part)]));
  const { default: preset, ...rest } = parts;
  if (preset === undefined) return rest;
  // Here `default` is the name of a field.
  if (typeof preset === 'object') return { ...rest, default: preset };
  return { ...rest, description: [rest.description, `Default: ${preset}.`].filter(Boolean).join(' ') };
}
