import type { ParameterObject, SchemaObject } from 'openapi3-ts/oas31';
import type { TObject, TSchema } from 'typebox';
import type { Naming } from './name-schemas.js';
import type { OperationDoc } from './operation.js';
import { headerParameter } from './request-headers.js';

/** The path of a route as OpenAPI writes it. */
export function documentPath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

export function parametersOf(
  path: string,
  { params = {}, query, headers = [] }: OperationDoc,
  naming: Naming,
): ParameterObject[] {
  return [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = '']) => inPath(name, params[name])),
    ...(query === undefined ? [] : queryParameters(query, naming)),
    ...headers.map(headerParameter),
  ];
}

function inPath(name: string, param: TSchema | undefined): ParameterObject {
  if (param === undefined) throw new Error(`the parameter :${name} of a path is not documented`);
  return parameter({ name, in: 'path', required: true }, param as SchemaObject);
}

function parameter(place: Pick<ParameterObject, 'name' | 'in' | 'required'>, field: SchemaObject): ParameterObject {
  const { description, ...schema } = field;
  return { ...place, ...(description === undefined ? {} : { description }), schema };
}

function queryParameters({ properties, ...schema }: TObject, naming: Naming): ParameterObject[] {
  const required = new Set(schema.required ?? []);
  const named = Object.entries(properties).map(([name, property]) =>
    parameter({ name, in: 'query', ...(required.has(name) ? { required: true } : {}) }, naming(property)),
  );
  const { patternProperties } = schema as { patternProperties?: Readonly<Record<string, object>> };
  return patternProperties === undefined ? named : [...named, ...openEnded(patternProperties)];
}

/** Parameters whose names the caller chooses: an object that is exploded, so that each field of it is one parameter. */
function openEnded(patternProperties: Readonly<Record<string, object>>): ParameterObject[] {
  return Object.entries(patternProperties).map(([pattern, property]) => ({
    name: `${pattern.replaceAll(/[\^\\$]/g, '')}*`,
    in: 'query',
    style: 'form',
    explode: true,
    description: 'Any number of them, each with a name of your own after the dot: `metadata.order=7`.',
    schema: { type: 'object', patternProperties: { [pattern]: property }, additionalProperties: false },
    example: { 'metadata.order': '7' },
  }));
}
