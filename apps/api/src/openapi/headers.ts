import type { HeaderObject, HeadersObject, ParameterObject } from 'openapi3-ts/oas31';

type Header = Pick<HeaderObject, 'description' | 'schema' | 'example' | 'required'>;

const text = (description: string, example?: string): Header => ({
  description,
  schema: { type: 'string' },
  ...(example === undefined ? {} : { example }),
});

const REQUEST_HEADERS = {
  'Idempotency-Key': {
    description:
      'Makes it safe to repeat a request: the same key with the same request gives the first answer again instead of ' +
      'creating a second job. 1 to 255 visible ASCII characters, for example a UUID. Remembered for a day.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  Prefer: text(
    'With `wait=N` the answer waits up to N seconds for the end of the job: 200 if it has ended, otherwise 202.',
    'wait=30',
  ),
  'Last-Event-ID': text('The id of the last event that the caller received; an EventSource sends it automatically.'),
  Range: text('One range of bytes.', 'bytes=0-65535'),
  'If-Range': text('The ETag that the content must still have; if it has changed, you get the whole content.'),
  'If-None-Match': text('ETags of the copies that the caller already has.'),
} satisfies Record<string, Header>;

export type RequestHeader = keyof typeof REQUEST_HEADERS;

export function headerParameter(name: RequestHeader): ParameterObject {
  return { name, in: 'header', ...REQUEST_HEADERS[name] };
}

/** The headers of answers, except those that any HTTP library reads by itself. They are components of the document. */
export const RESPONSE_HEADERS = {
  'RateLimit-Policy': text(
    'How many requests (q) the API key may send in a window of w seconds, if it has a limit.',
    '"requests";q=600;w=60',
  ),
  RateLimit: text(
    'How many requests are left (r), and in how many seconds the quota is renewed (t).',
    '"requests";r=599;t=60',
  ),
  'Retry-After': {
    description: 'How many seconds to wait before you try again.',
    schema: { type: 'integer', minimum: 0 },
  },
  Location: {
    description: 'The URL of the job, the file or the workflow.',
    required: true,
    schema: { type: 'string', format: 'uri-reference' },
  },
  'Preference-Applied': text('The preference that the service applied.'),
  'Idempotent-Replayed': {
    description: 'An earlier request with the same Idempotency-Key created the job; this request created nothing.',
    schema: { type: 'string', const: 'true' },
  },
  ETag: {
    description: 'Changes whenever the content changes.',
    required: true,
    schema: { type: 'string', pattern: '^"[^"]+"$' },
  },
  'Content-Range': { ...text('Which bytes the body has, and how many there are in all.'), required: true },
  'Content-Disposition': text(
    'Whether browsers show or save the file, and the name to save it under.',
    'inline; filename="clip_00001_.mp4"',
  ),
  'Content-Security-Policy': text('What the file may load when a browser shows it.'),
  'X-Request-Id': {
    description: "Identifies the request in the service's log: the X-Request-Id of the request, or a new one.",
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 128 },
  },
  'WWW-Authenticate': { ...text('How to send an API key.'), required: true },
} satisfies Record<string, Header>;

export type ResponseHeader = keyof typeof RESPONSE_HEADERS;

export function answerHeaders(names: readonly ResponseHeader[]): HeadersObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
