import type { ParameterObject } from 'openapi3-ts/oas31';
import type { TObject } from 'typebox';
import type { Naming } from './name-schemas.js';
import type { OperationDoc } from './operation.js';
import { headerParameter } from './request-headers.js';

const IN_PATH: Readonly<Record<string, Omit<ParameterObject, 'name' | 'in'>>> = {
  id: { description: 'The id of the job.', schema: { type: 'string', format: 'uuid' } },
  instance: { description: 'The name of an instance, `<worker>/<n>`.', schema: { type: 'string' } },
  worker: { description: 'The name of a worker.', schema: { type: 'string' } },
  n: { description: 'Which of its instances, counted from 1.', schema: { type: 'string' } },
  filename: { description: 'The name of a picture, as at the end of its image_url.', schema: { type: 'string' } },
  asset: { description: 'The id of the asset.', schema: { type: 'string', format: 'uuid' } },
  key: { description: 'The id of an API key.', schema: { type: 'string' } },
  name: { description: 'The name of a workflow.', schema: { type: 'string' } },
  file: { description: 'One of the files of the page.', schema: { type: 'string' } },
};

/** The path of a route as OpenAPI writes it. */
export function documentPath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

export function parametersOf(path: string, { query, headers = [] }: OperationDoc, naming: Naming): ParameterObject[] {
  return [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = '']) => inPath(name)),
    ...(query === undefined ? [] : queryParameters(query, naming)),
    ...headers.map(headerParameter),
  ];
}

function inPath(name: string): ParameterObject {
  const known = IN_PATH[name];
  if (known === undefined) throw new Error(`the parameter :${name} of a path is not documented`);
  return { name, in: 'path', required: true, ...known };
}

function queryParameters({ properties, ...schema }: TObject, naming: Naming): ParameterObject[] {
  const required = new Set(schema.required ?? []);
  const named = Object.entries(properties).map(([name, property]): ParameterObject => {
    const { description, ...rest } = naming(property);
    const isRequired = required.has(name) ? { required: true } : {};
    return { name, in: 'query', ...isRequired, ...(description === undefined ? {} : { description }), schema: rest };
  });
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
