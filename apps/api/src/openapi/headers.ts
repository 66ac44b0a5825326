import type { HeaderObject, HeadersObject, ParameterObject } from 'openapi3-ts/oas31';

const text = { type: 'string' } as const;

const REQUEST_HEADERS = {
  'Idempotency-Key': {
    description:
      'Makes repeating safe: the same key with the same request gives the first answer again instead of a second job. ' +
      '1 to 255 visible ASCII characters, a UUID say. Remembered for a day.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  Prefer: {
    description:
      '`wait=N` holds the answer for up to N seconds until the job has ended: 200 when it has, else 202 as usual.',
    schema: text,
    example: 'wait=30',
  },
  'Last-Event-ID': {
    description: 'The id of the newest event that the caller has; an EventSource sends it by itself.',
    schema: text,
  },
  Range: { description: 'One range of bytes.', schema: text, example: 'bytes=0-65535' },
  'If-Range': { description: 'The ETag of which the range is wanted.', schema: text },
  'If-None-Match': { description: 'ETags that the caller has.', schema: text },
} as const satisfies Record<string, Omit<ParameterObject, 'name' | 'in'>>;

export type RequestHeader = keyof typeof REQUEST_HEADERS;

export function headerParameter(name: RequestHeader): ParameterObject {
  return { name, in: 'header', ...REQUEST_HEADERS[name] };
}

/** The headers of answers, which are components of the document. */
export const RESPONSE_HEADERS = {
  'RateLimit-Policy': {
    description: 'How many requests the API key may send in how many seconds (w), if it has a limit.',
    schema: text,
    example: '"requests";q=600;w=60',
  },
  RateLimit: {
    description: 'How many of them are left (r), and in how many seconds they are renewed (t).',
    schema: text,
    example: '"requests";r=599;t=60',
  },
  'Retry-After': { description: 'Seconds after which to ask again.', schema: { type: 'integer', minimum: 0 } },
  Location: {
    description: 'Where the job, the file or the workflow is.',
    schema: { type: 'string', format: 'uri-reference' },
  },
  'Preference-Applied': { description: 'The preference that was followed.', schema: text },
  'Idempotent-Replayed': {
    description: 'The job was made before under the same Idempotency-Key; nothing was made now.',
    schema: { type: 'string', const: 'true' },
  },
  ETag: { description: 'Changes whenever the content does.', schema: { type: 'string', pattern: '^"[^"]+"$' } },
  'Cache-Control': { description: 'Who may keep it for how long.', schema: text },
  'Content-Length': { description: 'Bytes of the body.', schema: { type: 'integer', minimum: 0 } },
  'Content-Range': { description: 'Which bytes these are, of how many.', schema: text },
  'Accept-Ranges': { description: 'Parts of it can be asked for.', schema: { type: 'string', const: 'bytes' } },
  'Content-Disposition': {
    description: 'Whether it is to be shown or kept, and under which name.',
    schema: text,
    example: 'inline; filename="clip_00001_.mp4"',
  },
  'Content-Security-Policy': { description: 'What the page may load.', schema: text },
  'X-Request-Id': {
    description: "Names the request in the service's log: the X-Request-Id it came with, or a new one.",
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 128 },
  },
  'WWW-Authenticate': { description: 'How to come with a key.', schema: text },
} as const satisfies Record<string, HeaderObject>;

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
