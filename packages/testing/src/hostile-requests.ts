import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const MIB = 1024 ** 2;
/** As large as a request with a picture of 20 MiB that the API accepts. */
const LARGEST = 27 * MIB;
/** Node accepts 16 KiB. */
const HEADER_BYTES = 15_000;

/** A request designed to cost more than it should. */
export interface HostileRequest {
  readonly what: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  /** The status with which an API with default limits answers. */
  readonly status: number;
}

const JSON_TYPE = 'application/json';
const GZIP = { 'content-type': JSON_TYPE, 'content-encoding': 'gzip' };

function plain(what: string, path: string, text: string | Buffer, status: number, type = JSON_TYPE): HostileRequest {
  return { what, method: 'POST', path, headers: { 'content-type': type }, body: Buffer.from(text), status };
}

function get(what: string, path: string, status: number, headers: HostileRequest['headers'] = {}): HostileRequest {
  return { what, method: 'GET', path, headers, body: undefined, status };
}

const filled = (text: string, bytes: number) => text.repeat(Math.floor(bytes / text.length));
const names = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, n) => `"${`${n}`.padEnd(bytes, 'x')}":0`).join(',');
const DIGITS = '1'.repeat(MIB / 2 - 1024);
const withPicture = (text: string) => `{"prompt":"x","image":"${text}"}`;

const BOUNDARY = 'x';
const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const part = (disposition: string, value: string | Buffer) =>
  Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
const form = (...parts: Buffer[]) => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);

const CYCLE_NODES = 480;

/** A prompt of nodes whose links form cycles; `inputsOf` gives the links of each node by number. */
function cyclicPrompt(
  what: string,
  className: string,
  inputsOf: (node: number) => readonly (readonly [string, number])[],
): HostileRequest {
  const linked = (node: number) => inputsOf(node).map(([input, to]) => [input, [`${to % CYCLE_NODES}`, 0]]);
  const nodes = Array.from({ length: CYCLE_NODES }, (_, node) => [
    `${node}`,
    { class_type: className, inputs: Object.fromEntries(linked(node)) },
  ]);
  const save = { class_type: 'SaveImage', inputs: { images: ['0', 0], filename_prefix: 'x' } };
  const prompt = { ...Object.fromEntries(nodes), save };
  return plain(`a prompt of ${what}`, '/comfyui/prompt', JSON.stringify({ prompt }), 400);
}

/** Requests that once stopped the API, or could; each is created when it is needed. */
export const HOSTILE_REQUESTS: readonly (() => HostileRequest)[] = [
  () => plain('arrays in arrays, 27 MiB', '/img2img', filled('[', LARGEST), 413),
  () => plain('objects in objects, 27 MiB', '/img2img', filled('{"":', LARGEST), 413),
  () => plain('one name of 27 MiB', '/img2img', `{"${filled('x', LARGEST)}":1}`, 413),
  () => plain('one text of 27 MiB', '/img2img', `"${filled('x', LARGEST)}"`, 422),
  () => plain('a prompt of 27 MiB', '/img2img', `{"prompt":"${filled('x', LARGEST)}"}`, 413),
  () => plain('very many small values, 27 MiB', '/img2img', `{"prompt":"x","image":[${filled('0,', LARGEST)}0]}`, 413),
  () => plain('a number of half a MiB', '/img2img', `{"prompt":"x","seed":${DIGITS}}`, 400),
  () => ({ ...plain('a compressed body', '/img2img', gzipSync(filled('[', LARGEST)), 415), headers: GZIP }),
  () => plain('a number of half a MiB in a graph', '/graphs', `{"graph":{"1":{"n":${DIGITS}}}}`, 400),
  () => plain('a number of half a MiB in a prompt', '/comfyui/prompt', `{"prompt":{"1":{"n":${DIGITS}}}}`, 400),
  () => plain('very many exact numbers', '/graphs', `[${filled(`${'1'.repeat(64)},`, MIB / 2 - 1024)}0]`, 422),
  () =>
    plain(
      'a text of 1.4 MiB beside an exact number',
      '/comfyui/prompt',
      `{"prompt":{},"extra_data":{"n":${2n ** 64n - 1n},"text":"${filled('x', 1.4 * MIB)}"}}`,
      400,
    ),
  () =>
    cyclicPrompt('a cycle with 27 more links back from each node', 'BatchImagesNode', (node) =>
      Array.from({ length: 28 }, (_, n) => [`images.image${n}`, n === 0 ? node + 1 : 7 * n] as const),
    ),
  () =>
    cyclicPrompt('two entangled chains that end where they begin', 'ImageBatch', (node) => {
      const next = node - (node % 2) + 2;
      return [['image1', next] as const, ['image2', next + 1] as const];
    }),
  () => {
    const inputs = Object.fromEntries(Array.from({ length: 299 }, (_, n) => [`i${n}`, ['x', 1.5]]));
    const node = { class_type: 'X', inputs, _meta: { title: filled('x', 450_000) } };
    return plain(
      'a graph of many faults at a node with a long title',
      '/graphs',
      JSON.stringify({ graph: { 1: node } }),
      422,
    );
  },
  () => {
    const images = Array.from({ length: 20 }, (_, n) => [`images.image${n}`, ['e', 0]]);
    const joins = Array.from({ length: 298 }, (_, n) => [
      `${n}`,
      { class_type: 'BatchImagesNode', inputs: Object.fromEntries(images) },
    ]);
    const e = { class_type: 'EmptyImage', inputs: { width: 4096, height: 4096, batch_size: 64, color: 0 } };
    const save = { class_type: 'SaveImage', inputs: { images: ['0', 0], filename_prefix: 'x' } };
    const graph = { ...Object.fromEntries(joins), e, save };
    return plain('a graph of as many links as there may be', '/graphs', JSON.stringify({ graph }), 422);
  },
  () => plain('a prompt that is a text, 1.4 MiB', '/comfyui/prompt', `{"prompt":"${filled('x', 1.4 * MIB)}"}`, 400),
  () => plain('base64 with spaces', '/img2img', withPicture(filled('A ', LARGEST)), 422),
  () => plain('base64 of nothing but escapes', '/img2img', withPicture(filled('\\u0041', LARGEST)), 422),
  () =>
    plain('a picture of 20 MiB that is none', '/img2img', withPicture(randomBytes(20 * MIB).toString('base64')), 422),
  () => plain('arrays in arrays, 1 MiB', '/generate', filled('[', MIB), 413),
  () => plain('objects in objects, 1 MiB', '/generate', filled('{"":', MIB), 413),
  () => plain('very many small values, 1 MiB', '/generate', `[${filled('0,', MIB - 3)}0]`, 413),
  () => plain('very many names, 1 MiB', '/generate', `{${names(80_000, 8)}}`, 413),
  () => plain('as many names as are let through', '/generate', `{${names(4999, 200)}}`, 422),
  () => plain('a hundred long names', '/generate', `{${names(100, 1000)}}`, 422),
  () => plain('a prompt of 1 MiB', '/generate', `{"prompt":"${filled('é', MIB / 2 - 20)}"}`, 422),
  () => plain('a seed of 1 MiB', '/generate', `{"prompt":"x","seed":${filled('1', MIB - 40)}}`, 400),
  () =>
    plain('a thousand jobs with faults', '/jobs/batch', `{"jobs":[${filled(`{${names(20, 20)}},`, MIB / 2)}{}]}`, 422),
  () =>
    plain(
      'a form with a deep field, 1 MiB',
      '/img2img',
      form(part('name="metadata"', filled('[', MIB - 1))),
      422,
      FORM,
    ),
  () =>
    plain(
      'a form with an array of four thousand million items',
      '/workflows/text2img',
      form(part('name="webhook[events][4000000000]"', 'x')),
      422,
      FORM,
    ),
  () =>
    plain(
      'a form of names',
      '/img2img',
      form(...Array.from({ length: 32 }, (_, n) => part(`name="${n}${filled('x', 900)}"`, 'x'))),
      422,
      FORM,
    ),
  () =>
    plain(
      'a form with nothing before its first part, 27 MiB',
      '/img2img',
      Buffer.concat([Buffer.alloc(LARGEST, '\r\n--'), form()]),
      413,
      FORM,
    ),
  () =>
    plain(
      'a form of very many parts',
      '/img2img',
      form(...Array.from({ length: 100_000 }, () => part('name="a"', 'x'))),
      413,
      FORM,
    ),
  () =>
    plain(
      'a file of 20 MiB that is no picture',
      '/img2img',
      form(part('name="prompt"', 'x'), part('name="image"; filename="a.png"', randomBytes(20 * MIB))),
      422,
      FORM,
    ),
  () =>
    get('a query of very many names', `/jobs?${Array.from({ length: 3000 }, (_, n) => n.toString(36)).join('&')}`, 422),
  () => get('a query with a long number', `/jobs?limit=${filled('1', HEADER_BYTES)}`, 422),
  () => get('a path of escapes', `/jobs/${filled('%2F', HEADER_BYTES)}`, 404),
  () => get('a path of slashes', filled('/', HEADER_BYTES), 404),
  () => get('very many ranges', '/files/x', 404, { range: `bytes=${filled('0-0,', HEADER_BYTES)}0-0` }),
  () => plain('a type of very many parameters', '/generate', '{}', 422, JSON_TYPE + filled(';a=b', HEADER_BYTES)),
];
