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
      'Makes repeating safe: the same key with the same request gives the first answer again instead of a second job. ' +
      '1 to 255 visible ASCII characters, a UUID say. Remembered for a day.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  Prefer: text(
    '`wait=N` holds the answer for up to N seconds until the job has ended: 200 when it has, else 202 as usual.',
    'wait=30',
  ),
  'Last-Event-ID': text('The id of the newest event that the caller has; an EventSource sends it by itself.'),
  Range: text('One range of bytes.', 'bytes=0-65535'),
  'If-Range': text('The ETag of which the range is wanted.'),
  'If-None-Match': text('ETags that the caller has.'),
} satisfies Record<string, Header>;

export type RequestHeader = keyof typeof REQUEST_HEADERS;

export function headerParameter(name: RequestHeader): ParameterObject {
  return { name, in: 'header', ...REQUEST_HEADERS[name] };
}

/** The headers of answers, which are components of the document. */
export const RESPONSE_HEADERS = {
  'RateLimit-Policy': text(
    'How many requests the API key may send in how many seconds (w), if it has a limit.',
    '"requests";q=600;w=60',
  ),
  RateLimit: text(
    'How many of them are left (r), and in how many seconds they are renewed (t).',
    '"requests";r=599;t=60',
  ),
  'Retry-After': { description: 'Seconds after which to ask again.', schema: { type: 'integer', minimum: 0 } },
  Location: {
    description: 'Where the job, the file or the workflow is.',
    schema: { type: 'string', format: 'uri-reference' },
  },
  'Preference-Applied': text('The preference that was followed.'),
  'Idempotent-Replayed': {
    description: 'The job was made before under the same Idempotency-Key; nothing was made now.',
    schema: { type: 'string', const: 'true' },
  },
  ETag: { description: 'Changes whenever the content does.', schema: { type: 'string', pattern: '^"[^"]+"$' } },
  'Cache-Control': text('Who may keep it for how long.'),
  'Content-Length': { description: 'Bytes of the body.', schema: { type: 'integer', minimum: 0 } },
  'Content-Range': text('Which bytes these are, of how many.'),
  'Accept-Ranges': { description: 'Parts of it can be asked for.', schema: { type: 'string', const: 'bytes' } },
  'Content-Disposition': text(
    'Whether it is to be shown or kept, and under which name.',
    'inline; filename="clip_00001_.mp4"',
  ),
  'Content-Security-Policy': text('What the page may load.'),
  'X-Request-Id': {
    description: "Names the request in the service's log: the X-Request-Id it came with, or a new one.",
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 128 },
  },
  'WWW-Authenticate': text('How to come with a key.'),
} satisfies Record<string, Header>;

type ResponseHeader = keyof typeof RESPONSE_HEADERS;

/** Which headers an answer has, and whether always. */
export type HeaderUse = Partial<Record<ResponseHeader, 'always' | 'sometimes'>>;

/** The headers of one answer: those that are always there say so. */
export function answerHeaders(headers: HeaderUse): HeadersObject {
  const entries = Object.entries(headers) as [ResponseHeader, 'always' | 'sometimes'][];
  return Object.fromEntries(
    entries.map(([name, when]) => [
      name,
      when === 'always' ? { ...RESPONSE_HEADERS[name], required: true } : { $ref: `#/components/headers/${name}` },
    ]),
  );
}
