import fc, { type Arbitrary } from 'fast-check';
import type { FuzzRequest } from './fuzz-client.js';

/** What requests may be about: things that are there, so that not every one of them ends at the door. */
export interface FuzzTargets {
  /** An API key that may do everything. */
  readonly key: string;
  readonly jobs: readonly string[];
  readonly frames: readonly string[];
  /** Path and query of a signed URL. */
  readonly signed: string;
  /** A small picture that can be used. */
  readonly png: Buffer;
}

const GENERATE_FIELDS = [
  'prompt negative_prompt lod steps cfg sampler scheduler seed width height count checkpoint priority',
  'start_within_seconds metadata webhook webhook_url denoise image image_url source kind jobs index',
].flatMap((names) => names.split(' '));
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'length', ''];
/** None of them is looked up in DNS: that would be a test of the network. */
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

const nasty: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(null, true, false, [], {}, [[]], [null], { url: null }),
  fc.constantFrom(...URLS).map((url) => ({ url })),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.double(),
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(
    fc.constantFrom(...PROTOTYPE_NAMES, 'a', 'url', 'events', 'secret'),
    fc.constantFrom(...STRINGS, 1, null),
  ),
);
const fieldName = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...GENERATE_FIELDS) },
  { weight: 1, arbitrary: fc.constantFrom(...PROTOTYPE_NAMES) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
);

/** The fields of a job request, a few of them spoiled. */
function fields({ frames }: FuzzTargets): Arbitrary<object> {
  const good = fc.constantFrom<object>(
    { prompt: 'a lighthouse' },
    { prompt: 'a lighthouse', lod: 'final', seed: 1 },
    { prompt: 'x', source: frames[0] },
    { lod: 'final' },
  );
  return fc.tuple(good, fc.array(fc.tuple(fieldName, nasty), { maxLength: 3 })).map(([base, spoiled]) =>
    // not through a setter: __proto__ is to be a field like every other
    Object.fromEntries([...Object.entries(base), ...spoiled]),
  );
}

const DEEP = 20_000;
const RAW_BODIES = [
  ...[
    '',
    ' ',
    '{',
    '}',
    '[',
    'null',
    '0',
    '""',
    '{"prompt":"x"',
    '{"prompt":"x"}}',
    "{'prompt':1}",
    '{"prompt":1e999}',
  ],
  ...[
    '{"prompt":"\\ud800"}',
    '{"prompt":"\\u0000"}',
    '{"prompt":"a","prompt":1}',
    '{"seed":18446744073709551615,"prompt":"x"}',
  ],
  ...[
    '{"prompt":"x","width":1e400}',
    '{"__proto__":{"prompt":"x"}}',
    '{"prompt":"x","__proto__":1}',
    '\ufeff{"prompt":"x"}',
  ],
  ...['[['.repeat(DEEP), `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`, `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`],
  ...[
    `{"jobs":[${'{},'.repeat(2000)}{}]}`,
    '{"jobs":{"length":3}}',
    '{"jobs":[[],null,1,"x",{"kind":"x"}]}',
    `{"prompt":"${'x'.repeat(200_000)}"}`,
  ],
  ...[
    `{"prompt":"x","metadata":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
    `{"prompt":"x","metadata":${'[['.repeat(DEEP)}`,
  ],
].map((text) => Buffer.from(text));

function jsonBody(targets: FuzzTargets): Arbitrary<Buffer> {
  const ofFields = fields(targets);
  return fc.oneof(
    { weight: 8, arbitrary: ofFields.map(toJson) },
    { weight: 2, arbitrary: fc.array(fc.oneof(ofFields, nasty), { maxLength: 4 }).map((jobs) => toJson({ jobs })) },
    { weight: 2, arbitrary: nasty.map(toJson) },
    { weight: 2, arbitrary: fc.constantFrom(...RAW_BODIES) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1, // broken off, or with a bit turned over
      arbitrary: fc.tuple(ofFields.map(toJson), fc.nat(), fc.boolean()).map(([whole, at, isCut]) => {
        if (whole.length === 0) return whole;
        const index = at % whole.length;
        if (isCut) return whole.subarray(0, index);
        const spoiled = Buffer.from(whole);
        spoiled[index] = (spoiled[index] ?? 0) ^ 0x80;
        return spoiled;
      }),
    },
  );
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? '');
}

const BOUNDARY = 'fuzz';

/** A form, whole or broken: parts of odd names, types and contents. */
function formBody({ png, frames }: FuzzTargets): Arbitrary<Buffer> {
  const name = fc.oneof(
    fieldName,
    fc.constantFrom('image', 'image[]', 'metadata[a]', 'metadata[__proto__][x]', 'a[b][c]', 'x'.repeat(200)),
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

const maybe = <T>(arbitrary: Arbitrary<T>, oneIn: number): Arbitrary<T | undefined> =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const headerText = fc.string({ unit: fc.constantFrom(...'aZ09 ,;=:"\\/*%\t-é\u00ff'), maxLength: 20 });

/** Headers as clients can send them, most of them not as they should be. */
function headers(key: string, contentType: Arbitrary<string>): Arbitrary<Record<string, string>> {
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

const CONTENT_TYPES = [
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
const FORM_TYPES = [
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
const ROUTES = [
  ...['GET /', 'POST /generate', 'POST /img2img', 'GET /jobs', 'POST /jobs/batch', 'GET /jobs/:id', 'DELETE /jobs/:id'],
  ...[
    'POST /jobs/:id/cancel',
    'POST /jobs/:id/retry',
    'POST /jobs/:id/refine',
    'GET /jobs/:id/events',
    'GET /jobs/:id/webhooks',
  ],
  ...[
    'POST /jobs/:id/webhooks/redeliver',
    'GET /images/:file',
    'GET /usage',
    'GET /lods',
    'GET /fleet',
    'GET /health',
    'GET /livez',
  ],
  ...[
    'GET /readyz',
    'GET /openapi.json',
    'GET /docs',
    'GET /docs/:page',
    'GET /:nothing',
    'POST /images/:file',
    'GET /jobs/batch',
  ],
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'M-SEARCH'];

const querySafe = (text: string) => encodeURI(Buffer.from(text).toString()).replaceAll('#', '%23');

function queryString({ signed }: FuzzTargets): Arbitrary<string> {
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
    fc.string({ unit: 'binary', maxLength: 10 }).map(querySafe),
  );
  // A wait that is good would hold this test for that long.
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

/** A path of a route, its parameters filled in with what is there, what might be, and what never is. */
function pathOf(route: string, { jobs, frames }: FuzzTargets): Arbitrary<string> {
  const segment = (known: readonly string[]) => fc.oneof(fc.constantFrom(...known), fc.constantFrom(...ODD_SEGMENTS));
  const parts = route.split('/').map((part): Arbitrary<string> => {
    if (part === ':id') return segment(jobs);
    if (part === ':file') return segment(frames);
    if (part === ':page') return segment(['swagger-ui.css', 'start.js', 'index.html']);
    if (part === ':nothing') return fc.constantFrom(...ODD_SEGMENTS);
    return fc.oneof(
      { weight: 30, arbitrary: fc.constant(part) },
      { weight: 1, arbitrary: fc.constantFrom(part.toUpperCase(), `${part}/`) },
    );
  });
  return fc.tuple(...parts).map((all) => all.join('/'));
}

/** Requests to every route by every method. */
export function anyRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  const route = fc.constantFrom(...ROUTES).chain((known) => {
    const [method = '', path = ''] = known.split(' ');
    const used = fc.oneof(
      { weight: 5, arbitrary: fc.constant(method) },
      { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
    );
    return fc.tuple(used, pathOf(path, targets));
  });
  const body = maybe(jsonBody(targets), 2);
  return fc
    .tuple(route, queryString(targets), headers(targets.key, fc.constantFrom(...CONTENT_TYPES)), body)
    .map(([[method, path], query, given, data]) => ({
      // the picture that much is asked about stays
      method: method === 'DELETE' && path.includes(targets.jobs[0] ?? '') ? 'GET' : method,
      path: path + query,
      headers: given,
      body: bodyFor(method, data),
    }));
}

/** Orders of jobs as JSON. */
export function orderRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  const path = fc.oneof(
    fc.constantFrom('/generate', '/generate', '/img2img', '/jobs/batch'),
    fc.constantFrom(...targets.jobs).map((id) => `/jobs/${id}/refine`),
  );
  const type = fc.oneof(
    { weight: 15, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
  );
  return fc
    .tuple(path, headers(targets.key, type), jsonBody(targets))
    .map(([address, given, body]) => ({ method: 'POST', path: address, headers: given, body }));
}

/** Orders of jobs as forms. */
export function formRequest(targets: FuzzTargets): Arbitrary<FuzzRequest> {
  return fc
    .tuple(headers(targets.key, fc.constantFrom(...FORM_TYPES)), formBody(targets))
    .map(([given, body]) => ({ method: 'POST', path: '/img2img', headers: given, body }));
}

/** Node sends no body with these by itself. */
function bodyFor(method: string, body: Buffer | undefined): Buffer | undefined {
  return method === 'GET' || method === 'HEAD' || method === 'TRACE' ? undefined : body;
}
