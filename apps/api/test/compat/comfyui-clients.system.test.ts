import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  PICTURE,
  removeFolder,
  type Simulator,
  startSimulator,
  startStack,
  type TestStack,
  until,
} from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/**
 * Repeats the calls of real ComfyUI clients: their URLs, content types and polls, and the parts of the responses that
 * they read.
 */
const KEYS = ['anna', 'bert'].map((id) => ({ id, scopes: ['jobs', 'graphs'] }));
const TEMPLATE = readFileSync(new URL('../../../../workflows/text2img.json', import.meta.url), 'utf8');

type Graph = Record<string, { class_type: string; inputs: Record<string, unknown> }>;
type File = { filename: string; subfolder: string; type: string };
type Entry = { outputs: Record<string, { images?: File[] }>; status: { status_str: string; completed: boolean } };

let folder: string;
let gpus: Simulator[];
let stack: TestStack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-clients-'));
  const keysFile = join(folder, 'keys.json');
  const keys = KEYS.map((key) => ({ ...key, sha256: createHash('sha256').update(key.id).digest('hex') }));
  await writeFile(keysFile, JSON.stringify({ keys }));
  gpus = await Promise.all(
    [1, 2].map((n) => startSimulator({ stepMs: 1, journal: join(folder, `gpu-${n}.jsonl`), version: '0.33.0' })),
  );
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { API_KEYS_FILE: keysFile } });
  for (const [index, { url }] of gpus.entries()) await stack.startWorker(`gpu-${index + 1}`, [url]);
  const known = async () => Object.keys((await (await fetch(`${at('anna')}/object_info`)).json()) as object).length > 0;
  await until('the instances to publish their catalogues', known);
});
afterEach(() => {
  for (const gpu of gpus) {
    gpu.set({ stepMs: 1 });
    gpu.faults.remove();
  }
});
afterAll(async () => {
  await stack?.close();
  await Promise.all(gpus?.map((gpu) => gpu.close()) ?? []);
  await removeFolder(folder);
});

/** The base URL of a client with its key in the path. */
const at = (key: string) => `${stack.url}/comfyui/k/${key}`;

/** A graph that draws that text as a small picture in few steps. */
function drawing(text: string, more: { seed?: number; steps?: number } = {}): Graph {
  const graph = JSON.parse(TEMPLATE) as Graph;
  const set = (id: string, inputs: object) => Object.assign(graph[id]?.inputs ?? {}, inputs);
  set('2', { text });
  set('4', { width: 64, height: 64 });
  set('5', { seed: 1, steps: 2, ...more });
  return graph;
}

async function json<T>(answer: Promise<Response>): Promise<T> {
  const { status, text } = await answer.then(async (got) => ({ status: got.status, text: await got.text() }));
  if (status !== 200) throw new Error(`${status}: ${text}`);
  return JSON.parse(text) as T;
}

/** Returns a PNG, whose text chunks contain the graph that drew it. */
async function drawn(answer: Promise<Response>): Promise<string> {
  const got = await answer;
  expect([got.status, got.headers.get('content-type')]).toEqual([200, 'image/png']);
  return Buffer.from(await got.arrayBuffer()).toString('latin1');
}

describe('Open WebUI', () => {
  const headers = { Authorization: 'Bearer anna' };
  const base = () => `${stack.url}/comfyui`;

  /** Sends a prompt, waits for `executing` null, the only end that Open WebUI knows, and returns the history entry. */
  async function ordered(prompt: Graph): Promise<Entry> {
    const socket = new WebSocket(`${base().replace('http', 'ws')}/ws?clientId=webui`, { headers });
    onTestFinished(() => socket.terminate());
    const ended = new Set<unknown>();
    socket.on('message', (message, isBinary) => {
      if (isBinary) return;
      const { type, data } = JSON.parse(`${message}`) as { type: string; data: { node?: unknown; prompt_id?: string } };
      if (type === 'executing' && data.node === null) ended.add(data.prompt_id);
    });
    await once(socket, 'open');
    const sent = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' } };
    const body = JSON.stringify({ prompt, client_id: 'webui' });
    const { prompt_id } = await json<{ prompt_id: string }>(fetch(`${base()}/prompt`, { ...sent, body }));
    await until('executing null', () => ended.has(prompt_id));
    const history = await json<Record<string, Entry>>(fetch(`${base()}/history/${prompt_id}`, { headers }));
    return history[prompt_id] as Entry;
  }

  it('verifies, lists models, uploads a picture, sends a prompt and fetches its picture', async () => {
    type Info = Record<string, { input: { required: Record<string, unknown[]> } }>;
    const info = await json<Info>(fetch(`${base()}/object_info`, { headers }));
    const [checkpoints] = info.CheckpointLoaderSimple?.input.required.ckpt_name ?? [];
    expect(checkpoints).toContain('sd_xl_base_1.0.safetensors');
    const form = new FormData();
    form.set('image', new Blob([Buffer.from(PICTURE, 'base64')], { type: 'image/png' }), 'generated.png');
    form.set('type', 'input');
    const uploaded = await json<{ name: string }>(
      fetch(`${base()}/api/upload/image`, { method: 'POST', headers, body: form }),
    );
    const graph: Graph = {
      1: { class_type: 'LoadImage', inputs: { image: uploaded.name } },
      2: { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
      3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'ComfyUI' } },
    };
    const entry = await ordered(graph);
    const [image] = Object.values(entry.outputs).flatMap(({ images = [] }) => images);
    expect(image?.type).toBe('output');
    const query = new URLSearchParams({ ...image });
    await drawn(fetch(`${base()}/view?${query}`, { headers }));
  });

  it('gets executing null for a failed prompt too; otherwise it would wait forever', async () => {
    for (const gpu of gpus) gpu.faults.add({ kind: 'node_error', node: '5' });
    const { status } = await ordered(drawing('what fails', { seed: 404 }));
    expect(status).toMatchObject({ status_str: 'error', completed: false });
  });
});

describe('SillyTavern', () => {
  /** SillyTavern sets no headers, so it sends text/plain. */
  const post = (path: string, body?: string) =>
    fetch(at('anna') + path, { method: 'POST', ...(body === undefined ? {} : { body }) });

  it('reads stats and node classes, sends a prompt, polls the whole history and fetches the picture by name', async () => {
    const { system } = await json<{ system: { comfyui_version: string } }>(fetch(`${at('anna')}/system_stats`));
    expect(system.comfyui_version).toBeTypeOf('string');
    const info = await json<Record<string, unknown>>(fetch(`${at('anna')}/object_info`));
    for (const name of ['KSampler', 'CheckpointLoaderSimple', 'UNETLoader', 'VAELoader'])
      expect(info).toHaveProperty(name);
    const { prompt_id: id } = await json<{ prompt_id: string }>(
      post('/prompt', JSON.stringify({ prompt: drawing('a tavern') })),
    );
    const item = await until('the prompt to be in the history', async () => {
      return (await json<Record<string, Entry>>(fetch(`${at('anna')}/history`)))[id];
    });
    expect(item.status.status_str).toBe('success');
    const [image] = Object.keys(item.outputs).flatMap((node) => item.outputs[node]?.images ?? []);
    const { filename, subfolder, type } = image as File;
    const picture = await drawn(fetch(`${at('anna')}/view?filename=${filename}&subfolder=${subfolder}&type=${type}`));
    expect(picture).toContain('a tavern');
    expect(filename).toMatch(/^[A-Za-z0-9_-]+\.png$/);
  });

  it('interrupts its running prompt without naming it, and finds the end in the history', async () => {
    for (const gpu of gpus) gpu.set({ stepMs: 60_000 });
    const { prompt_id: id } = await json<{ prompt_id: string }>(
      post('/prompt', JSON.stringify({ prompt: drawing('never', { steps: 20 }) })),
    );
    await until('the prompt to run', async () => {
      const { queue_running: running } = await json<{ queue_running: unknown[][] }>(fetch(`${at('anna')}/queue`));
      return running.some((entry) => entry[1] === id);
    });
    const stranger = await fetch(`${at('bert')}/interrupt`, { method: 'POST' });
    expect(stranger.status).toBe(200);
    const Authorization = `Basic ${Buffer.from('user:password').toString('base64')}`;
    expect((await fetch(`${at('anna')}/interrupt`, { method: 'POST', headers: { Authorization } })).status).toBe(200);
    const item = await until('the prompt to be in the history', async () => {
      return (await json<Record<string, Entry>>(fetch(`${at('anna')}/history`)))[id];
    });
    expect(item.status).toMatchObject({ status_str: 'error', completed: false });
  });
});

describe('the community node of n8n', () => {
  it('finds its prompt in the history as soon as the queue no longer lists it', async () => {
    const headers = { Authorization: 'Bearer bert', 'Content-Type': 'application/json' };
    const get = <T>(path: string) => json<T>(fetch(`${stack.url}/comfyui${path}`, { headers }));
    await get('/system_stats');
    const order = fetch(`${stack.url}/comfyui/prompt`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ prompt: drawing('n8n') }),
    });
    const { prompt_id: id } = await json<{ prompt_id: string }>(order);
    await until('the prompt to leave the queue', async () => {
      const { queue_running, queue_pending } = await get<Record<string, unknown[][]>>('/queue');
      return ![...(queue_running ?? []), ...(queue_pending ?? [])].some((entry) => entry[1] === id);
    });
    const { [id]: entry } = await get<Record<string, Entry>>(`/history/${id}`);
    const files = Object.values(entry?.outputs ?? {}).flatMap(({ images = [] }) =>
      images.filter(({ type }) => type === 'output'),
    );
    expect(files).toHaveLength(1);
    const query = new URLSearchParams({ ...files[0], execution_id: '1' });
    expect(await drawn(fetch(`${stack.url}/comfyui/view?${query}`, { headers }))).toContain('n8n');
  });
});

describe('LobeHub', () => {
  it('reads single node classes, uploads, and polls with its client id in every URL', async () => {
    const headers = { Authorization: `Basic ${Buffer.from('lobe:anna').toString('base64')}` };
    const get = <T>(path: string) => json<T>(fetch(`${stack.url}/comfyui${path}?clientId=lobe`, { headers }));
    expect(await get('/object_info/CheckpointLoaderSimple')).toMatchObject({ CheckpointLoaderSimple: {} });
    expect(await get('/prompt')).toEqual({ exec_info: { queue_remaining: expect.any(Number) } });
    for (const path of ['/manager/version', '/crystools/monitor']) {
      expect((await fetch(`${stack.url}/comfyui${path}`, { headers })).status).toBe(404);
    }
    const form = new FormData();
    form.set('image', new Blob([Buffer.from(PICTURE, 'base64')]), 'lobe.png');
    form.set('overwrite', 'true');
    const sent = await json<File & { name: string }>(
      fetch(`${stack.url}/comfyui/upload/image`, { method: 'POST', headers, body: form }),
    );
    expect(sent).toEqual({ name: 'lobe.png', subfolder: '', type: 'input' });
    const workflow = { id: 'lobe', nodes: [] };
    const body = JSON.stringify({
      prompt: drawing('lobster'),
      client_id: 'lobe',
      extra_data: { extra_pnginfo: { workflow } },
    });
    const { prompt_id: id } = await json<{ prompt_id: string }>(
      fetch(`${stack.url}/comfyui/prompt?clientId=lobe`, { method: 'POST', headers, body }),
    );
    const entry = await until('the prompt to end', async () => {
      const { queue_running, queue_pending } = await get<Record<string, unknown[][]>>('/queue');
      if ([...(queue_running ?? []), ...(queue_pending ?? [])].some((queued) => queued[1] === id)) return undefined;
      const found = (await get<Record<string, Entry>>(`/history/${id}`))[id];
      if (found === undefined) throw new Error('the prompt went missing');
      return found;
    });
    const [image] = Object.values(entry.outputs).flatMap(({ images = [] }) => images);
    const query = new URLSearchParams({ ...image });
    const picture = await drawn(fetch(`${stack.url}/comfyui/view?${query}`, { headers }));
    expect(picture).toContain('tEXtworkflow\0{"id": "lobe"');
  });
});

it('serves each of two keys its own pictures when two instances use the same file names at the same time', async () => {
  const order = (key: string, seed: number) =>
    json<{ prompt_id: string }>(
      fetch(`${at(key)}/prompt`, {
        method: 'POST',
        body: JSON.stringify({ prompt: drawing(`by ${key} ${seed}`, { seed }) }),
      }),
    );
  const rounds = [1, 2, 3, 4, 5, 6];
  const ordered = await Promise.all(
    rounds.flatMap((seed) =>
      ['anna', 'bert'].map(async (key) => ({ key, seed, id: (await order(key, seed)).prompt_id })),
    ),
  );
  for (const { key, seed, id } of ordered) {
    const entry = await until('the prompt to end', async () => {
      return (await json<Record<string, Entry>>(fetch(`${at(key)}/history/${id}`)))[id];
    });
    const [image] = Object.values(entry.outputs).flatMap(({ images = [] }) => images);
    const query = new URLSearchParams({ ...image });
    expect(await drawn(fetch(`${at(key)}/view?${query}`))).toContain(`by ${key} ${seed}`);
    const other = key === 'anna' ? 'bert' : 'anna';
    expect((await fetch(`${at(other)}/view?${query}`)).status).toBe(404);
    expect(await json(fetch(`${at(other)}/history/${id}`))).toEqual({});
  }
});
