import fc, { type Arbitrary } from 'fast-check';

const SURROGATES = [0xd800, 0xdfff] as const;

/** Like the unit `binary`, for which fast-check would first enumerate all of Unicode, which takes seconds. */
export const anyCharacter = fc
  .integer({ min: 0, max: 0x10ffff - (SURROGATES[1] - SURROGATES[0] + 1) })
  .map((n) => String.fromCodePoint(n < SURROGATES[0] ? n : n + SURROGATES[1] - SURROGATES[0] + 1));
const GENERATE_FIELDS = [
  'prompt negative_prompt lod steps cfg sampler scheduler seed width height count checkpoint priority',
  'start_within_seconds reuse metadata webhook webhook_url denoise image image_url source kind jobs index',
].flatMap((names) => names.split(' '));
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'length', ''];
/** URLs that need no DNS lookup, since that would test the network. */
const URLS = [
  ...[
    'http://127.0.0.1:1/',
    'http://[::1]:1/',
    'ftp://127.0.0.1/',
    'javascript:alert(1)',
    'http://user:pw@127.0.0.1:1/',
  ],
  ...[
    '//',
    'http://',
    'http:///',
    'http://127.0.0.1:99999/',
    'http://0x7f.1:1/',
    'http://2130706433:1/',
    'file:///etc/passwd',
  ],
  ...[
    'http://10.0.0.1/',
    'http://[::ffff:7f00:1]:1/',
    'http://169.254.169.254/latest',
    'http://127.0.0.1:1/%00',
    'data:,x',
  ],
];
const STRINGS = [
  ...['', ' ', '\u0000', 'a\u0000b', '\ud800', '\udfff\ud800', '\u202e', '🦊', 'é'.repeat(300), 'x'.repeat(5000)],
  ...['../../etc/passwd', '%00', '{{7*7}}', "' OR 1=1 --", '<script>', '-1', '1e3', '0x10', '007', 'NaN'],
  ...['sketch', 'final', 'text2img', 'img2img', '18446744073709551615', '18446744073709551616', '9'.repeat(400)],
  ...['data:image/png;base64,', 'data:;base64,AAAA', 'AAAA', 'iVBORw0KGgo=', 'whsec_x', ...URLS],
];
const NUMBERS = [
  ...[
    0,
    -0,
    1,
    -1,
    0.5,
    8,
    63,
    64,
    65,
    100,
    150,
    151,
    2048,
    2056,
    1e9,
    2 ** 31,
    2 ** 53 - 1,
    2 ** 53,
    1e21,
    1e308,
    -1e308,
  ],
  ...[Number.MIN_VALUE, 30, 30.1, 2, 3, -2, -3, 86_400, 604_801],
];

/** A value that is invalid for almost every field. */
export const nasty: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(null, true, false, [], {}, [[]], [null], { url: null }),
  fc.constantFrom(...URLS).map((url) => ({ url })),
  fc.string({ unit: anyCharacter, maxLength: 20 }),
  fc.double(),
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(
    fc.constantFrom(...PROTOTYPE_NAMES, 'a', 'url', 'events', 'secret'),
    fc.constantFrom(...STRINGS, 1, null),
  ),
);
export const fieldName = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...GENERATE_FIELDS) },
  { weight: 1, arbitrary: fc.constantFrom(...PROTOTYPE_NAMES) },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 12 }) },
);
