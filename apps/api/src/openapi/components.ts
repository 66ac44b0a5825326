import type { ComponentsObject, SchemaObject } from 'openapi3-ts/oas31';
import { fieldNotes } from './field-notes.js';
import { definitionsOf } from './name-schemas.js';
import { namedSchemas } from './named-schemas.js';
import type { DocumentSettings } from './operation.js';
import { headerComponents } from './response-headers.js';
import { securitySchemes } from './security.js';

export function components(settings: DocumentSettings): ComponentsObject {
  const definitions = Object.entries(definitionsOf(namedSchemas(settings)));
  return {
    schemas: Object.fromEntries(definitions.map(([name, schema]) => [name, annotated(schema, fieldNotes[name] ?? {})])),
    headers: headerComponents(),
    securitySchemes: securitySchemes(),
  };
}

function annotated(schema: SchemaObject, notes: Readonly<Record<string, string>>): SchemaObject {
  const { properties } = schema;
  if (properties === undefined) return schema;
  const fields = Object.entries(properties).map(([name, field]) => {
    const description = notes[name];
    return [name, description === undefined ? field : { ...field, description }];
  });
  return { ...schema, properties: Object.fromEntries(fields) };
}
