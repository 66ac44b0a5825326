import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { isObject, type JsonObject, parseJson } from '../src/python.js';
import { ask, type Got } from './client.js';
import { plainImage, textToImage } from './graphs.js';
import { filesOf, Running } from './running.js';

let running: Running;
beforeEach(async () => {
  running = await Running.start();
});
afterEach(() => running.close());

/** The tEXt chunks of a PNG. */
function textChunks(png: Buffer): Map<string, string> {
  const chunks = new Map<string, string>();
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) !== 'tEXt') continue;
    const [key = '', text = ''] = png.toString('latin1', at + 8, at + 8 + png.readUInt32BE(at)).split('\0');
    chunks.set(key, text);
  }
  return chunks;
}

describe('a saved picture', () => {
  it('carries the graph with its seed exact to the last digit, and every key of extra_pnginfo', async () => {
    const extra = { extra_pnginfo: { workflow: { id: 'w1' }, my_key: { a: 'ä' } } };
    const entry = await running.run(textToImage({ seed: 18_446_744_073_709_551_615n }), { extra_data: extra });
    const [file = ''] = filesOf(entry);
    const chunks = textChunks(readFileSync(join(running.simulator.dir, 'output', file)));
    expect([...chunks.keys()]).toEqual(['prompt', 'workflow', 'my_key']);
    expect(chunks.get('prompt')).toContain('"seed": 18446744073709551615, "steps": 1, "cfg": 7.0,');
    expect([chunks.get('workflow'), chunks.get('my_key')]).toEqual(['{"id": "w1"}', '{"a": "\\u00e4"}']);
    const graph = (entry.prompt as [number, string, JsonObject])[2];
    expect(((graph['5'] as JsonObject).inputs as JsonObject).seed).toBe(18_446_744_073_709_551_615n);
  });

  it('has the hash of the file that LoadImage read in its graph', async () => {
    const [file = ''] = filesOf(await running.run(plainImage(255)));
    const graph = {
      '1': { class_type: 'LoadImage', inputs: { image: `${file} [output]` } },
      '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'copy' } },
    };
    const [copy = ''] = filesOf(await running.run(graph));
    const text = textChunks(readFileSync(join(running.simulator.dir, 'output', copy))).get('prompt') ?? '';
    const node = (parseJson(text) as JsonObject)['1'];
    expect(isObject(node) ? node.is_changed : undefined).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  it('has the same bytes for the same graph on another simulator', async () => {
    const other = await Running.start();
    const bytes = async (each: Running) => {
      const [file = ''] = filesOf(await each.run(textToImage({ seed: 9, steps: 2, width: 256, height: 128 })));
      return readFileSync(join(each.simulator.dir, 'output', file));
    };
    expect((await bytes(running)).equals(await bytes(other))).toBe(true);
    await other.close();
  });
});

describe('GET /view', () => {
  let path: string;
  let whole: Got;
  const get = (headers: Record<string, string>, method = 'GET') =>
    ask(running.simulator.url, method, path, '', headers);
  beforeEach(async () => {
    const [file = ''] = filesOf(await running.run(plainImage(255)));
    path = `/view?filename=${file}`;
    whole = await get({});
  });

  it('answers 304 to its own ETag and date, and the file to another ETag', async () => {
    const same = await get({ 'If-None-Match': whole.headers.etag ?? '' });
    const since = await get({ 'If-Modified-Since': whole.headers['last-modified'] ?? '' });
    const other = await get({ 'If-None-Match': '"other"' });
    expect([same.status, since.status, other.status]).toEqual([304, 304, 200]);
    expect([same.bytes.length, same.headers.etag]).toEqual([0, whole.headers.etag]);
    expect(other.bytes.equals(whole.bytes)).toBe(true);
  });

  it('answers a range with that part, and one beyond the end with 416', async () => {
    const part = await get({ Range: 'bytes=1-3' });
    expect([part.status, part.bytes.toString(), part.headers['content-range']]).toEqual([
      206,
      'PNG',
      `bytes 1-3/${whole.bytes.length}`,
    ]);
    expect((await get({ Range: 'bytes=999999-' })).status).toBe(416);
  });

  it.each(['b ä', 'q:*?', '100% #1 & more', 'a+b'])('finds a file with an unusual name: %s', async (prefix) => {
    const [file = ''] = filesOf(await running.run(plainImage(1, prefix)));
    const got = await ask(running.simulator.url, 'GET', `/view?filename=${encodeURIComponent(file)}`);
    expect([file, got.status]).toEqual([`${prefix}_00001_.png`, 200]);
  });

  it('answers HEAD with only the headers', async () => {
    const head = await get({}, 'HEAD');
    expect([head.status, head.bytes.length, head.headers['content-length']]).toEqual([
      200,
      0,
      String(whole.bytes.length),
    ]);
  });
});

describe('the folders', () => {
  it('keep input and output after a crash, but not temp', async () => {
    const graph = {
      '1': plainImage(5)['1'] ?? null,
      '2': { class_type: 'PreviewImage', inputs: { images: ['1', 0] } },
    };
    const [temporary = ''] = filesOf(await running.run(graph));
    const [kept = ''] = filesOf(await running.run(plainImage(6)));
    expect(temporary).toMatch(/^ComfyUI_temp_[a-z]{5}_00001_\.png$/);
    const closed = new Promise((resolve) => running.listener.socket.once('close', resolve));
    running.simulator.drop();
    await closed;
    const { url } = running.simulator;
    expect((await ask(url, 'GET', `/view?type=temp&filename=${temporary}`)).status).toBe(404);
    expect((await ask(url, 'GET', `/view?filename=${kept}`)).status).toBe(200);
  });
});

it('logs nothing when a client disconnects in the middle of an upload', async () => {
  const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  onTestFinished(() => errors.mockRestore());
  const { hostname, port } = new URL(running.simulator.url);
  const socket = connect(Number(port), hostname);
  socket.write('POST /upload/image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf', () => socket.destroy());
  await once(socket, 'close');
  for (let n = 0; n < 5; n++) expect((await ask(running.simulator.url, 'GET', '/queue')).status).toBe(200);
  expect(errors).not.toHaveBeenCalled();
});
