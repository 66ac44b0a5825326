import fc, { type Arbitrary } from 'fast-check';
import { BOUNDARY } from './forms.js';

/** Returns a value in one of that many cases, otherwise undefined. */
export const maybe = <T>(arbitrary: Arbitrary<T>, oneIn: number): Arbitrary<T | undefined> =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const headerText = fc.string({ unit: fc.constantFrom(...'aZ09 ,;=:"\\/*%\t-é\u00ff'), maxLength: 20 });

/** Headers that clients can send, most of them invalid. */
export function headers(key: string, contentType: Arbitrary<string>): Arbitrary<Record<string, string>> {
  const odd = (...known: string[]) => maybe(fc.oneof(fc.constantFrom(...known), headerText), 10);
  return fc
    .record({
      authorization: fc.oneof(
        { weight: 12, arbitrary: fc.constant<string | undefined>(`Bearer ${key}`) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            undefined,
            'Bearer',
            'Bearer x',
            'Basic Zm9vOmJhcg==',
            `bearer  ${key} `,
            'Bearer a b',
          ),
        },
        { weight: 1, arbitrary: headerText },
      ),
      'x-api-key': odd('x', '', key),
      'content-type': fc.oneof(
        { weight: 20, arbitrary: contentType },
        { weight: 1, arbitrary: fc.constant(undefined) },
      ),
      'content-encoding': maybe(fc.constantFrom('gzip', 'br', 'identity', 'x', 'gzip, gzip', 'deflate'), 25),
      'idempotency-key': odd('a', 'b', 'c d', 'é', 'x'.repeat(255), 'x'.repeat(256), ''),
      prefer: odd(
        'wait=0',
        'wait=-1',
        'wait=1e9',
        'wait="x"',
        'respond-async',
        'wait',
        'wait=;',
        'wait=99999999999999999999x',
      ),
      range: odd(
        'bytes=0-0',
        'bytes=-1',
        'bytes=5-2',
        'bytes=0-0,2-3',
        'bytes=99999999999999999999-',
        'bytes=-0',
        'items=1-2',
        'bytes=',
        'bytes=--',
      ),
      'if-none-match': odd('*', '""', 'W/"x"', ','),
      'if-range': odd('"x"', '*', 'Wed, 21 Oct 2015 07:28:00 GMT'),
      'last-event-id': odd('0-0', '-1', 'x', '99999999999999999999-1', '1-', '1-99999999999999999999999'),
      accept: odd('text/html', 'x/y;q=2', '*/*;q=x'),
      origin: odd('null', 'https://evil.example'),
      'x-http-method-override': odd('DELETE'),
      'x-forwarded-for': odd('::1', 'x'),
      expect: maybe(fc.constantFrom('200-ok', 'x'), 20),
    })
    .map((all) =>
      Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)),
    );
}

export const CONTENT_TYPES = [
  ...[
    'application/json',
    'application/json',
    'application/json',
    'application/json',
    'application/json; charset=utf-8',
  ],
  ...[
    'application/json; charset=utf-16',
    'application/json; charset=x',
    'application/json; charset="',
    'text/plain',
    'text/json',
  ],
  ...[
    'application/x-www-form-urlencoded',
    'application/problem+json',
    'multipart/form-data',
    'multipart/form-data; boundary=',
  ],
  ...[
    `multipart/form-data; boundary=${BOUNDARY}`,
    'multipart/mixed; boundary=x',
    'x',
    ';',
    'application/json, text/plain',
    '',
  ],
];
export const FORM_TYPES = [
  ...Array.from({ length: 8 }, () => `multipart/form-data; boundary=${BOUNDARY}`),
  ...[
    'multipart/form-data',
    'multipart/form-data; boundary=other',
    `multipart/form-data; boundary="${BOUNDARY}"`,
    'multipart/form-data; boundary=""',
  ],
  ...[
    `multipart/form-data; boundary=${'x'.repeat(300)}`,
    `multipart/mixed; boundary=${BOUNDARY}`,
    `multipart/form-data; charset=x; boundary=${BOUNDARY}`,
  ],
];
