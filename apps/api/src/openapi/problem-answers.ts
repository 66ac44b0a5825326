import { ERROR_CATALOGUE, type ErrorCode } from '@comfy-fleet/contracts';
import type { HeadersObject, ResponseObject } from 'openapi3-ts/oas31';
import { answerHeaders, type HeaderUse } from './response-headers.js';

/** Headers that always come with a status. */
const ALWAYS: Readonly<Record<number, HeaderUse>> = {
  401: { 'WWW-Authenticate': 'always' },
  416: { 'Content-Range': 'always' },
  429: { 'Retry-After': 'always' },
};

/** The answers that tell of errors, by status: each names the codes that it may have. */
export function problemAnswers(codes: readonly ErrorCode[], common: HeaderUse): Record<string, ResponseObject> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERROR_CATALOGUE[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const sorted = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, of]) => [`${status}`, problemAnswer(of, answerHeaders(headersOf(status, common)))]),
  );
}

function headersOf(status: number, common: HeaderUse): HeaderUse {
  const mayRetry: HeaderUse = status === 503 || status === 507 ? { 'Retry-After': 'sometimes' } : {};
  return { ...common, ...mayRetry, ...ALWAYS[status] };
}

function problemAnswer(codes: readonly ErrorCode[], headers: HeadersObject): ResponseObject {
  const lines = codes.map((code) => `- \`${code}\`: ${ERROR_CATALOGUE[code].title}.`);
  const schema = {
    allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: [...codes] } } }],
  };
  return { description: lines.join('\n'), headers, content: { 'application/problem+json': { schema } } };
}
