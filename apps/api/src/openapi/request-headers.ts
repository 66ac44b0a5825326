import type { ParameterObject } from 'openapi3-ts/oas31';

const HEADERS = {
  'Idempotency-Key': {
    description:
      'Makes repeating safe: the same key with the same request gives the first answer again instead of a second job. ' +
      '1 to 255 visible ASCII characters, a UUID say. Remembered for a day.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  Prefer: {
    description:
      '`wait=N` holds the answer for up to N seconds until the job has ended: 200 when it has, else 202 as usual.',
    schema: { type: 'string' },
    example: 'wait=30',
  },
  'Last-Event-ID': {
    description: 'The id of the newest event that the caller has; an EventSource sends it by itself.',
    schema: { type: 'string' },
  },
  Range: { description: 'One range of bytes.', schema: { type: 'string' }, example: 'bytes=0-65535' },
  'If-Range': { description: 'The ETag of which the range is wanted.', schema: { type: 'string' } },
  'If-None-Match': { description: 'ETags that the caller has.', schema: { type: 'string' } },
} as const satisfies Record<string, Omit<ParameterObject, 'name' | 'in'>>;

export type RequestHeader = keyof typeof HEADERS;

export function headerParameter(name: RequestHeader): ParameterObject {
  return { name, in: 'header', ...HEADERS[name] };
}
