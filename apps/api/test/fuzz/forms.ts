import fc, { type Arbitrary } from 'fast-check';
import type { FuzzTargets } from './targets.js';
import { fieldName, nasty } from './values.js';

export const BOUNDARY = 'fuzz';

/** A valid or malformed form with unusual names, types and contents of parts. */
export function formBody({ png, frames }: FuzzTargets): Arbitrary<Buffer> {
  const name = fc.oneof(
    fieldName,
    fc.constantFrom(
      'image',
      'image[]',
      'metadata[a]',
      'webhook[events][4000000000]',
      'metadata[__proto__][x]',
      'a[b][c]',
      'x'.repeat(200),
    ),
  );
  const text = fc.oneof(
    nasty.map((value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))),
    fc.constant(frames[0] ?? ''),
  );
  const field = fc
    .tuple(name, text)
    .map(([key, value]) => [`Content-Disposition: form-data; name="${key}"`, Buffer.from(value)] as const);
  const data = fc.oneof(
    fc.constant(png),
    fc.nat(png.length).map((at) => png.subarray(0, at)),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom('GIF89a', '<svg xmlns="http://www.w3.org/2000/svg"/>', '\x89PNG\r\n\x1a\n', '%PDF-1.4', '')
      .map((head) => Buffer.from(head, 'latin1')),
  );
  const type = fc.constantFrom(
    'image/png',
    'image/jpeg',
    'image/svg+xml',
    'text/html',
    'x',
    '',
    'image/png; charset="',
  );
  const filename = fc.constantFrom('a.png', '', '../../x', 'a\u0000b', 'x'.repeat(3000), '__proto__', 'é.png', '"');
  const file = fc
    .tuple(fc.constantFrom('image', 'image', 'image', 'file', '__proto__'), filename, type, data)
    .map(
      ([key, called, claimed, bytes]) =>
        [
          `Content-Disposition: form-data; name="${key}"; filename="${called}"\r\nContent-Type: ${claimed}`,
          bytes,
        ] as const,
    );
  const odd = fc
    .constantFrom(
      '',
      'Content-Disposition: form-data',
      'Content-Disposition: attachment; name=x',
      'X: y',
      'Content-Disposition: form-data; name=',
    )
    .map((head) => [head, Buffer.from('x')] as const);
  const prompt = fc.constant(['Content-Disposition: form-data; name="prompt"', Buffer.from('a fox')] as const);
  const parts = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: field },
      { weight: 3, arbitrary: file },
      { weight: 2, arbitrary: prompt },
      { weight: 1, arbitrary: odd },
    ),
    { maxLength: 5 },
  );
  const ending = fc.constantFrom(
    `--${BOUNDARY}--\r\n`,
    `--${BOUNDARY}--\r\n`,
    `--${BOUNDARY}--\r\n`,
    '',
    '--',
    `--${BOUNDARY}`,
    '--other--\r\n',
  );
  return fc.tuple(parts, ending).map(([list, end]) => {
    const chunks = list.flatMap(([head, bytes]) => [
      Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]);
    return Buffer.concat([...chunks, Buffer.from(end)]);
  });
}
