import type { ErrorCode } from '@comfy-fleet/contracts';
import type {
  ContentObject,
  EncodingPropertyObject,
  MediaTypeObject,
  OperationObject,
  RequestBodyObject,
  ResponseObject,
} from 'openapi3-ts/oas31';
import type { Naming } from './name-schemas.js';
import type { AnswerDoc, ApiRoute, BodyDoc, FileBodyDoc } from './operation.js';
import { parametersOf } from './parameters.js';
import { problemAnswers } from './problem-answers.js';
import { answerHeaders, type HeaderUse } from './response-headers.js';
import { scopeSentence, securityOf } from './security.js';

const ALWAYS: HeaderUse = { 'X-Request-Id': 'sometimes' }; // a reference to the header, which itself says always
/** On every answer to a key that has a limit. */
const COUNTED: HeaderUse = { 'RateLimit-Policy': 'sometimes', RateLimit: 'sometimes' };
/** Parts of a form that are written as JSON. */
const JSON_PARTS = ['inputs', 'metadata', 'webhook'];

/** What the document says of one route. */
export function operationObject(
  route: ApiRoute,
  { naming, anonymous }: { readonly naming: Naming; readonly anonymous: boolean },
): OperationObject {
  const { path, access, id, tag, summary, answers, body } = route;
  const description = [route.description, scopeSentence(access)].filter((part) => part !== undefined).join(' ');
  if ((body === undefined) !== (route.reads === undefined))
    throw new Error(`the body of ${path} is documented wrongly`);
  const common = access === 'public' ? ALWAYS : { ...ALWAYS, ...COUNTED };
  const responses = Object.entries(answers).map(([status, answer]) => [status, responseObject(answer, common, naming)]);
  return {
    operationId: id,
    tags: [tag.name],
    summary,
    ...(description === '' ? {} : { description }),
    parameters: parametersOf(path, route, naming),
    ...(body === undefined ? {} : { requestBody: requestBody(body, naming) }),
    responses: {
      ...Object.fromEntries(responses),
      ...problemAnswers(codesOf(route, anonymous), common),
    },
    security: securityOf(access, { anonymous }),
  };
}

const BODY_ERRORS: readonly ErrorCode[] = [
  'malformed_json',
  'body_too_large',
  'body_too_slow',
  'unsupported_media_type',
];

function codesOf({ access, body, query, errors = [] }: ApiRoute, anonymous: boolean): ErrorCode[] {
  return [
    'malformed_request',
    ...(anonymous ? (['wrong_host'] as const) : []),
    ...(body === undefined ? [] : BODY_ERRORS),
    ...(body === undefined && query === undefined ? [] : (['validation_failed'] as const)),
    ...(access === 'public' ? [] : (['unauthorized', 'forbidden', 'rate_limited'] as const)),
    ...errors,
    'internal_error',
  ];
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
  const encoding = jsonParts(JSON_PARTS.filter((part) => part in form.properties));
  content['multipart/form-data'] = { schema: naming(form), encoding };
  return { required: true, content };
}

/** Says of parts of a form that they are JSON. */
export function jsonParts(names: readonly string[]): EncodingPropertyObject {
  return Object.fromEntries(names.map((name) => [name, { contentType: 'application/json' }]));
}

function responseObject(
  { description, content, events, headers = {} }: AnswerDoc,
  common: HeaderUse,
  naming: Naming,
): ResponseObject {
  const media = Object.entries(content ?? {}).map(([type, schema]): [string, MediaTypeObject] => [
    type,
    schema === 'bytes' ? {} : { schema: naming(schema) },
  ]);
  if (events !== undefined) media.push(['text/event-stream', eventStream(events, naming)]);
  const all = answerHeaders({ ...common, ...headers });
  return { description, headers: all, ...(media.length === 0 ? {} : { content: Object.fromEntries(media) }) };
}

/** OpenAPI 3.1 has no words for the events of a stream, so they stand in an extension. */
function eventStream(events: NonNullable<AnswerDoc['events']>, naming: Naming): MediaTypeObject {
  const data = Object.entries(events).map(([name, schema]) => [name, naming(schema)]);
  return { schema: { type: 'string' }, 'x-events': Object.fromEntries(data) };
}
