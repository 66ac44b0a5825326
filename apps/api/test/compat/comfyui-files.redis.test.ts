import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { anInstance, aWorker } from '../announcements.js';
import { finishJob } from '../finished-image.js';
import { drawing } from '../runnable.js';
import { type ComfyuiClient, openComfyui } from './comfyui-api.js';

const colour = (background: string, width = 8) =>
  sharp({ create: { width, height: 8, channels: 3, background } })
    .png()
    .toBuffer();

const sent = async (answer: Promise<Response>) => (await answer).json() as Promise<unknown>;
const as = (name: string, subfolder = '') => ({ name, subfolder, type: 'input' });

function see(client: ComfyuiClient, query: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(`${client.base}/view?${new URLSearchParams(query)}`, { headers });
}

async function bytesOf(answer: Response): Promise<Buffer> {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}

describe('uploads', () => {
  it('keep their name for the same bytes, get a new name for other bytes, and are replaced with overwrite', async () => {
    const { anna } = await openComfyui();
    const [red, blue] = [await colour('red'), await colour('blue')];
    expect(await sent(anna.upload('a.png', red))).toEqual(as('a.png'));
    expect(await sent(anna.upload('a.png', red))).toEqual(as('a.png'));
    expect(await sent(anna.upload('a.png', blue))).toEqual(as('a (1).png'));
    const seen = async (name: string) => bytesOf(await see(anna, { filename: name, type: 'input' }));
    expect([await seen('a.png'), await seen('a (1).png')]).toEqual([red, blue]);
    expect(await sent(anna.upload('a.png', blue, { overwrite: 'true' }))).toEqual(as('a.png'));
    expect(await seen('a.png')).toEqual(blue);
    expect(await sent(anna.upload('x/y.png', red, { subfolder: '/api/x/../z'.slice(1) }))).toMatchObject({ error: {} });
  });

  it('are visible only to their key, and answer 304 until they change', async () => {
    const { anna, bert } = await openComfyui();
    await anna.upload('a.png', await colour('red'), { subfolder: 'sub' });
    const asked = { filename: 'a.png', type: 'input', subfolder: 'sub' };
    const answer = await see(anna, asked);
    const [etag, cached] = [answer.headers.get('etag') ?? '', answer.headers.get('cache-control')];
    expect([answer.status, cached]).toEqual([200, 'private, no-cache']);
    expect((await see(anna, asked, { 'If-None-Match': etag })).status).toBe(304);
    expect((await see(bert, asked)).status).toBe(404);
    expect((await see(anna, { filename: 'a.png', type: 'input' })).status).toBe(404);
    for (const query of [
      { filename: '../a.png' },
      { filename: '/etc/passwd' },
      { filename: 'a.png', type: 'models' },
      { filename: 'a.png', type: 'input', subfolder: '../x' },
    ] as Record<string, string>[]) {
      expect([query, (await see(anna, query)).status]).toEqual([query, 400]);
    }
    expect((await see(anna, {})).status).toBe(404);
  });

  it('are served with the content type of their name, and with the name in quotes', async () => {
    const { anna } = await openComfyui();
    const text = Buffer.from('{"a": 1}');
    const names = {
      'first.txt': 'text/plain; charset=utf-8',
      'second.json': 'application/json',
      third: 'octet-stream',
    };
    for (const name of Object.keys(names)) await anna.upload(name, text);
    for (const [name, type] of Object.entries(names)) {
      const { headers } = await see(anna, { filename: name, type: 'input' });
      expect(headers.get('content-type')).toContain(type);
      expect(headers.get('content-disposition')).toMatch(new RegExp(`; filename="${name}"$`));
    }
  });

  it('are refused without a file or with an empty file', async () => {
    const { anna } = await openComfyui();
    const body = new FormData();
    body.set('type', 'input');
    const answer = await fetch(`${anna.base}/upload/image`, { method: 'POST', body });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { type: 'invalid_request' } }]);
    expect((await anna.upload('a.png', Buffer.alloc(0))).status).toBe(400);
    expect((await anna.post('/upload/image', {})).status).toBe(400);
  });
});

describe('outputs', () => {
  it('are visible only to their key, and served unchanged whatever preview or channel the request asks for', async () => {
    const { api, anna, bert } = await openComfyui();
    const { prompt_id } = await anna.prompt(drawing());
    await finishJob(api, prompt_id);
    const filename = `${prompt_id}_1.png`;
    for (const query of [
      { filename },
      { filename: `${filename} [output]` },
      { filename: `sub/${filename}`, type: 'temp' },
    ]) {
      const bytes = await bytesOf(await see(anna, query));
      expect((await sharp(bytes).metadata()).width).toBe(96);
      expect((await see(bert, query)).status).toBe(404);
    }
    const plain = await bytesOf(await see(anna, { filename }));
    for (const form of [{ preview: 'webp;90' }, { channel: 'a' }])
      expect(await bytesOf(await see(anna, { filename, ...form }))).toEqual(plain);
    const range = await see(anna, { filename }, { Range: 'bytes=0-3' });
    expect([range.status, (await range.arrayBuffer()).byteLength]).toEqual([206, 4]);
    const beyond = await see(anna, { filename }, { Range: 'bytes=999999-' });
    expect([beyond.status, await beyond.json()]).toMatchObject([416, { error: { type: 'range_not_satisfiable' } }]);
  });

  it('are inputs of other prompts of their key when named with [output]', async () => {
    const { api, anna, bert } = await openComfyui();
    const { prompt_id } = await anna.prompt(drawing());
    await finishJob(api, prompt_id);
    const graph = {
      1: { class_type: 'LoadImage', inputs: { image: `${prompt_id}_1.png [output]` } },
      2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
    };
    const again = await anna.prompt(graph);
    const { jobs } = await api.ledger.jobs.list('anna', { filter: { status: 'queued' }, cursor: undefined, limit: 1 });
    const job = jobs[0]?.record;
    expect(job?.request.inputs).toMatchObject({ file_1: { kind: 'image', source: `${prompt_id}_1.png` } });
    expect((await anna.get('/queue')).queue_pending).toMatchObject([[again.number, again.prompt_id, graph, {}, ['2']]]);
    expect((await bert.post('/prompt', { prompt: graph })).status).toBe(400);
  });
});

describe('the inventory', () => {
  it("has ComfyUI's format: choices are lists, and inputs that load files list the caller's own uploads", async () => {
    const { anna, bert } = await openComfyui();
    await anna.upload('mine.png', await colour('red'));
    await anna.upload('song.mp3', Buffer.from('ID3 no picture'));
    const answer = await fetch(`${anna.base}/object_info`);
    const etag = answer.headers.get('etag') ?? '';
    const text = await answer.text();
    const all = JSON.parse(text) as Record<string, { input: { required: Record<string, unknown[]> } }>;
    expect(Object.keys(all).length).toBeGreaterThan(600);
    const choice = (name: string, input: string) => all[name]?.input.required[input]?.[0];
    expect(choice('CheckpointLoaderSimple', 'ckpt_name')).toEqual(['sd_xl_base_1.0.safetensors']);
    expect(choice('KSamplerSelect', 'sampler_name')).toContain('euler');
    expect(choice('LoadImage', 'image')).toEqual(['mine.png']);
    expect(choice('LoadAudio', 'audio')).toEqual(['song.mp3']);
    expect(text).toContain('"max":18446744073709551615');
    expect((await fetch(`${anna.base}/object_info`, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    await anna.upload('more.png', await colour('blue'));
    expect((await fetch(`${anna.base}/object_info`, { headers: { 'If-None-Match': etag } })).status).toBe(200);
    expect(await anna.get('/object_info/KSamplerSelect')).toEqual({ KSamplerSelect: all.KSamplerSelect });
    expect(await anna.get('/object_info/NoSuch')).toEqual({});
    expect(await bert.get('/object_info/LoadImage')).toMatchObject({
      LoadImage: { input: { required: { image: [[], { image_upload: true }] } } },
    });
  });

  it('has the devices and the memory of the instances, but not their names', async () => {
    const { api, anna } = await openComfyui();
    const gpu = (name: string, type: string, free: number) =>
      anInstance({
        name,
        machine: {
          ram: { total: 64, free: 32 },
          device: { name: `the ${type}`, type, vram: { total: 24, free }, torch: { total: 8, free: 2 } },
        },
      });
    const instances = [gpu('gpu-1/1', 'cuda', 20), gpu('gpu-1/2', 'cpu', 10)];
    await api.worker.presence.announce(aWorker({ instances }));
    await api.worker.presence.announce(aWorker({ name: 'gpu-2', instances: [anInstance({ name: 'gpu-2/1' })] }));
    const vram_total = 24 * 1024 ** 3;
    const torch = { torch_vram_total: 8, torch_vram_free: 2 };
    expect(await anna.get('/system_stats')).toMatchObject({
      system: { ram_total: 64, ram_free: 32 },
      devices: [
        { name: 'the cuda', type: 'cuda', index: 0, vram_total, vram_free: 20, ...torch },
        { name: 'the cpu', type: 'cpu', index: 1, vram_total, vram_free: 10, ...torch },
        { name: 'unknown', type: 'cuda', index: 2, vram_total, vram_free: 0 },
      ],
    });
  });

  it('lists only files as VAEs, although VAELoader offers more', async () => {
    const { anna } = await openComfyui();
    expect(await anna.get('/object_info/VAELoader')).toMatchObject({
      VAELoader: { input: { required: { vae_name: [['pixel_space']] } } },
    });
    expect(await anna.get('/models/vae')).toEqual([]);
  });

  it('has models, the ComfyUI version and features', async () => {
    const { api, anna } = await openComfyui();
    expect(await anna.get('/models')).toContain('checkpoints');
    expect(await anna.get('/models/checkpoints')).toEqual(['sd_xl_base_1.0.safetensors']);
    expect((await fetch(`${anna.base}/models/nothing`)).status).toBe(404);
    expect((await fetch(`${api.url}/comfyui/`)).status).toBe(200);
    expect(await anna.get('/system_stats')).toMatchObject({ system: { comfyui_version: '0.33.0' }, devices: [] });
    expect(await anna.get('/features')).toEqual({ max_upload_size: expect.any(Number) });
    expect([await anna.get('/embeddings'), await anna.get('/extensions')]).toEqual([[], []]);
  });
});

it('answers 404 if COMPATIBLE_APIS lacks comfyui', async () => {
  const { anna } = await openComfyui({ COMPATIBLE_APIS: 'comfy-v2,openai' });
  const answer = await fetch(`${anna.base}/queue`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
});
