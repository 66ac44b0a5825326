import { ERROR_CATALOGUE, type ErrorCode, problemSchema } from '@comfy-fleet/contracts';
import type {
  ContentObject,
  EncodingPropertyObject,
  OperationObject,
  ParameterObject,
  RequestBodyObject,
  ResponseObject,
  SchemaObject,
  SecurityRequirementObject,
  SecuritySchemeObject,
} from 'openapi3-ts/oas31';
import type { TObject } from 'typebox';
import { scopeOf } from '../server/gate.js';
import { answerHeaders, headerParameter, type ResponseHeader } from './headers.js';
import type { AnswerDoc, ApiRoute, BodyDoc, FileBodyDoc } from './route.js';
import type { Naming } from './schemas.js';

export const SECURITY_SCHEMES: Readonly<Record<string, SecuritySchemeObject>> = {
  bearer: { type: 'http', scheme: 'bearer', description: 'The API key, as `Authorization: Bearer <key>`.' },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The API key in its own header.' },
  signedUrl: {
    type: 'apiKey',
    in: 'query',
    name: 'signature',
    description:
      'The URLs of pictures and events in a job contain `expires`, `day`, `key` and `signature`. Anyone who has a signed ' +
      'URL can open it without a key until it expires or the key of its job is revoked. Use the URL unchanged.',
  },
};

/** Descriptions of the path parameters. A name means the same in every path. */
const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  id: 'The id of the job.',
  name: 'The name of a workflow.',
  filename: 'The name of the file, which is the last part of its URL in the job.',
  asset: 'The id of the asset.',
  key: 'The id of an API key.',
  worker: 'The name of a worker.',
  kind: "The model's kind, which is the name of ComfyUI's folder: `loras`, `checkpoints`, …",
  model: 'The name of the model; a slash in it is written as `%2F`.',
  n: 'The number of the instance on this worker, starting at 1.',
};
const IDS = ['id', 'asset'];

/** Documents one route. */
export function operationObject(route: ApiRoute, naming: Naming, anonymous: boolean): OperationObject {
  const { path, access, id, tag, summary, answers, body } = route;
  const description = [route.description, scopeSentence(route)].filter((part) => part !== undefined).join(' ');
  if ((body === undefined) !== (route.reads === undefined))
    throw new Error(`the route ${path} must have both \`body\` and \`reads\`, or neither`);
  const common: readonly ResponseHeader[] =
    access === 'public' ? ['X-Request-Id'] : ['X-Request-Id', 'RateLimit-Policy', 'RateLimit'];
  const responses = Object.entries(answers).map(([status, answer]) => [status, responseObject(answer, common, naming)]);
  return {
    operationId: id,
    tags: [tag.name],
    summary,
    ...(description === '' ? {} : { description }),
    parameters: parametersOf(route, naming),
    ...(body === undefined ? {} : { requestBody: requestBody(body, naming) }),
    responses: { ...problemAnswers(codesOf(route, anonymous), common, naming), ...Object.fromEntries(responses) },
    security: securityOf(route, anonymous),
  };
}

/** A sentence that names the scope a key needs, because in OpenAPI only OAuth schemes can have scopes. */
function scopeSentence({ access }: ApiRoute): string | undefined {
  const scope = access === 'public' || access === 'known' || access === 'optional' ? 'jobs' : scopeOf(access);
  return scope === 'jobs' ? undefined : `Needs a key with the scope \`${scope}\`.`;
}

/** The credentials that a route accepts: a key, or a signed URL. Empty for public routes. */
function securityOf({ access }: ApiRoute, anonymous: boolean): SecurityRequirementObject[] {
  if (access === 'public') return [];
  return [
    ...(anonymous || access === 'optional' ? [{}] : []),
    { bearer: [] },
    { apiKey: [] },
    ...(access === 'linked' ? [{ signedUrl: [] }] : []),
  ];
}

function parametersOf({ path, query, headers = [] }: ApiRoute, naming: Naming): ParameterObject[] {
  return [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = '']): ParameterObject => {
      const description = PATH_PARAMETERS[name];
      if (description === undefined) throw new Error(`the parameter :${name} of a path is not documented`);
      const schema: SchemaObject = { type: 'string', ...(IDS.includes(name) ? { format: 'uuid' } : {}) };
      return { name, in: 'path', required: true, description, schema };
    }),
    ...(query === undefined ? [] : queryParameters(query, naming)),
    ...headers.map(headerParameter),
  ];
}

function queryParameters({ properties, ...schema }: TObject, naming: Naming): ParameterObject[] {
  const named = Object.entries(properties).map(([name, property]): ParameterObject => {
    const { description, ...rest } = naming(property);
    const needed = schema.required?.includes(name) ? { required: true } : {};
    return { name, in: 'query', ...needed, ...(description === undefined ? {} : { description }), schema: rest };
  });
  const { patternProperties = {} } = schema as { patternProperties?: Readonly<Record<string, object>> };
  // Parameters whose names the caller chooses are the fields of an exploded object.
  const openEnded = Object.entries(patternProperties).map(
    ([pattern, property]): ParameterObject => ({
      name: `${pattern.replaceAll(/[\^\\$]/g, '')}*`,
      in: 'query',
      style: 'form',
      explode: true,
      description: 'Any number of parameters, each with a name of your choice after the dot: `metadata.order=7`.',
      schema: {
        type: 'object',
        patternProperties: { [pattern]: property },
        additionalProperties: false,
      } as SchemaObject,
      example: { 'metadata.order': '7' },
    }),
  );
  return [...named, ...openEnded];
}

function requestBody(doc: BodyDoc | FileBodyDoc, naming: Naming): RequestBodyObject {
  if ('fileForm' in doc) {
    const form = { schema: naming(doc.fileForm) };
    return { required: true, content: { '*/*': {}, 'multipart/form-data': form } };
  }
  const { json, form, files = [], examples } = doc;
  const shown = Object.entries(examples).map(([name, value]) => [name, { value }]);
  const content: ContentObject = { 'application/json': { schema: naming(json), examples: Object.fromEntries(shown) } };
  for (const type of files) content[type] = {};
  if (form === undefined) return { required: true, content };
  const encoding = jsonParts(Object.keys(form.properties));
  content['multipart/form-data'] = { schema: naming(form), encoding };
  return { required: true, content };
}

/** Marks the parts of a form that contain JSON. */
export function jsonParts(names: readonly string[]): EncodingPropertyObject {
  const parts = ['inputs', 'metadata', 'webhook'].filter((part) => names.includes(part));
  return Object.fromEntries(parts.map((name) => [name, { contentType: 'application/json' }]));
}

function responseObject(
  { description, json, bytes = [], events, headers = [] }: AnswerDoc,
  common: readonly ResponseHeader[],
  naming: Naming,
): ResponseObject {
  const content: ContentObject = Object.fromEntries(bytes.map((type) => [type, {}]));
  if (json !== undefined) content['application/json'] = { schema: naming(json) };
  if (events !== undefined) {
    // OpenAPI 3.1 cannot describe the events of a stream, so they are in an extension.
    const data = Object.entries(events).map(([name, schema]) => [name, naming(schema)]);
    content['text/event-stream'] = { schema: { type: 'string' }, 'x-events': Object.fromEntries(data) };
  }
  const all = answerHeaders([...common, ...headers]);
  return { description, headers: all, ...(Object.keys(content).length === 0 ? {} : { content }) };
}

/** The error codes that a route may answer: those that follow from its access, path, query and body, and its own. */
function codesOf({ path, access, body, query, answers, errors = [] }: ApiRoute, anonymous: boolean): ErrorCode[] {
  const hasScope = access !== 'public' && access !== 'known' && access !== 'optional';
  return [
    'malformed_request',
    ...(anonymous ? (['wrong_host'] as const) : []),
    ...(body === undefined
      ? []
      : (['malformed_json', 'body_too_large', 'body_too_slow', 'unsupported_media_type', 'overloaded'] as const)),
    ...(body === undefined && query === undefined ? [] : (['validation_failed'] as const)),
    ...(access === 'public' ? [] : (['unauthorized', 'forbidden', 'rate_limited'] as const)),
    ...(path.startsWith('/jobs/:id') ? (['job_not_found'] as const) : []),
    // A route that documents its own 503 does not get this code.
    ...(hasScope && answers[503] === undefined ? (['queue_unavailable'] as const) : []),
    ...errors,
    'internal_error',
  ];
}

/** The headers of error answers, by status. */
const PROBLEM_HEADERS: Readonly<Record<number, readonly ResponseHeader[]>> = {
  401: ['WWW-Authenticate'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
  507: ['Retry-After'],
};

/** The error answers, by status. Each lists its possible codes. */
function problemAnswers(
  codes: readonly ErrorCode[],
  common: readonly ResponseHeader[],
  naming: Naming,
): Record<string, ResponseObject> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERROR_CATALOGUE[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => {
      const description = of.map((code) => `- \`${code}\`: ${ERROR_CATALOGUE[code].title}.`).join('\n');
      const headers = answerHeaders([...common, ...(PROBLEM_HEADERS[status] ?? [])]);
      const schema = { allOf: [naming(problemSchema), { properties: { code: { enum: of } } }] };
      return [status, { description, headers, content: { 'application/problem+json': { schema } } }];
    }),
  );
}
