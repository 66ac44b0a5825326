import type { HeaderObject, HeadersObject } from 'openapi3-ts/oas31';

const HEADERS = {
  'RateLimit-Policy': {
    description: 'How many requests the API key may send in how many seconds (w), if it has a limit.',
    schema: { type: 'string' },
    example: '"requests";q=600;w=60',
  },
  RateLimit: {
    description: 'How many of them are left (r), and in how many seconds they are renewed (t).',
    schema: { type: 'string' },
    example: '"requests";r=599;t=60',
  },
  'Retry-After': {
    description: 'Seconds after which to ask again.',
    schema: { type: 'integer', minimum: 0 },
  },
  Location: {
    description: 'Where the job, the file or the workflow is.',
    schema: { type: 'string', format: 'uri-reference' },
  },
  'Preference-Applied': { description: 'The preference that was followed.', schema: { type: 'string' } },
  'Idempotent-Replayed': {
    description: 'The job was made before under the same Idempotency-Key; nothing was made now.',
    schema: { type: 'string', const: 'true' },
  },
  ETag: { description: 'Changes whenever the content does.', schema: { type: 'string', pattern: '^"[^"]+"$' } },
  'Cache-Control': { description: 'Who may keep it for how long.', schema: { type: 'string' } },
  'Content-Length': { description: 'Bytes of the body.', schema: { type: 'integer', minimum: 0 } },
  'Content-Range': { description: 'Which bytes these are, of how many.', schema: { type: 'string' } },
  'Accept-Ranges': { description: 'Parts of it can be asked for.', schema: { type: 'string', const: 'bytes' } },
  'Content-Disposition': {
    description: 'Whether it is to be shown or kept, and under which name.',
    schema: { type: 'string' },
    example: 'inline; filename="clip_00001_.mp4"',
  },
  'Content-Security-Policy': { description: 'What the page may load.', schema: { type: 'string' } },
  'X-Request-Id': {
    description: "Names the request in the service's log: the X-Request-Id it came with, or a new one.",
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 128 },
  },
  'WWW-Authenticate': { description: 'How to come with a key.', schema: { type: 'string' } },
} as const satisfies Record<string, HeaderObject>;

type ResponseHeader = keyof typeof HEADERS;

/** Which headers an answer has, and whether always. */
export type HeaderUse = Partial<Record<ResponseHeader, 'always' | 'sometimes'>>;

/** Every header, for the components of the document. */
export function headerComponents(): Record<string, HeaderObject> {
  return HEADERS;
}

/** The headers of one answer: those that are always there say so. */
export function answerHeaders(headers: HeaderUse): HeadersObject {
  const entries = Object.entries(headers) as [ResponseHeader, 'always' | 'sometimes'][];
  return Object.fromEntries(
    entries.map(([name, when]) => [
      name,
      when === 'always' ? { ...HEADERS[name], required: true } : { $ref: `#/components/headers/${name}` },
    ]),
  );
}
