import fc, { type Arbitrary } from 'fast-check';
import type { FuzzTargets } from './targets.js';
import { anyCharacter } from './values.js';

const ODD_SEGMENTS = [
  ...[
    '',
    '.',
    '..',
    '%2e%2e%2f%2e%2e',
    '%00',
    '%0d%0a',
    '%ff',
    '%c0%ae',
    '%',
    '%zz',
    '%E0%A4%A',
    '*',
    ':id',
    'null',
    'batch',
    '_',
  ],
  ...[
    '0198b5c0-0000-7000-8000-000000000000',
    '0198B5C0-0000-7000-8000-000000000000',
    'x'.repeat(4000),
    encodeURIComponent('é🦊\u0000'),
  ],
  ...[
    '__proto__',
    'constructor',
    '0198b5c0-0000-7000-8000-000000000000_1.png',
    'keys.json',
    'inputs',
    'derived',
    '%2Fetc%2Fpasswd',
    'a_b_c.png',
  ],
];

const querySafe = (text: string) => encodeURI(Buffer.from(text).toString()).replaceAll('#', '%23');

export function queryString({ signed }: FuzzTargets): Arbitrary<string> {
  const name = fc.constantFrom(
    ...[
      'wait',
      'limit',
      'cursor',
      'status',
      'lod',
      'kind',
      'created_after',
      'created_before',
      'metadata.a',
      'metadata.__proto__',
      'metadata.',
    ],
    ...['days', 'width', 'format', 'expires', 'day', 'signature', '__proto__', 'a[b]', 'a[]', '%', '%zz', '', 'x'],
  );
  const value = fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '-1',
      '1',
      '100',
      '101',
      '1.5',
      '1e1',
      '9'.repeat(30),
      'x',
      '%',
      '%ff',
      '%00',
      '[]',
      'png',
      'webp',
      '512',
      '99999999999',
    ),
    fc.constantFrom(
      '0198b5c0-0000-7000-8000-000000000000',
      '2026-02-30T00:00:00Z',
      '2026-11-25',
      '-271821-04-20T00:00:00Z',
      '+275760-09-13T00:00:00Z',
      '2026-11-25T23:59:60Z',
    ),
    fc.constantFrom('queued', 'sketch', 'img2img', 'x'.repeat(3000)),
    fc.string({ unit: anyCharacter, maxLength: 10 }).map(querySafe),
  );
  // A valid wait would delay this test for that long.
  const pair = fc
    .tuple(name, value)
    .map(([key, text]) => (key === 'wait' && /^[1-9]\d?$/.test(text) ? 'wait=x' : `${key}=${text}`));
  const pairs = fc.array(pair, { maxLength: 4 }).map((all) => (all.length === 0 ? '' : `?${all.join('&')}`));
  const signature = fc.constantFrom(
    signed.slice(signed.indexOf('?')),
    '?expires=9999999999&day=20000&signature=x',
    '?signature=',
  );
  return fc.oneof({ weight: 6, arbitrary: pairs }, { weight: 1, arbitrary: signature });
}

/** The path of a route with existing, possible and impossible values for its parameters. */
export function pathOf(route: string, { jobs, frames }: FuzzTargets): Arbitrary<string> {
  const segment = (known: readonly string[]) => fc.oneof(fc.constantFrom(...known), fc.constantFrom(...ODD_SEGMENTS));
  const parts = route.split('/').map((part): Arbitrary<string> => {
    if (part === '{id}') return segment(jobs);
    if (part === '{filename}') return segment(frames);
    if (part === '{file}') return segment(['swagger-ui.css', 'start.js', 'index.html']);
    if (part === '{nothing}') return fc.constantFrom(...ODD_SEGMENTS);
    return fc.oneof(
      { weight: 30, arbitrary: fc.constant(part) },
      { weight: 1, arbitrary: fc.constantFrom(part.toUpperCase(), `${part}/`) },
    );
  });
  return fc.tuple(...parts).map((all) => all.join('/'));
}
