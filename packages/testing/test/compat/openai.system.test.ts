import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, JobList } from '@comfy-fleet/contracts';
import OpenAI, { toFile } from 'openai';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  overridesEnv,
  removeFolder,
  type Simulator,
  startSimulator,
  startStack,
  type TestStack,
  until,
} from '../../src/index.js';

/** Keys that are their own ids. */
const KEYS = [
  { id: 'anna', scopes: ['jobs', 'admin'] },
  { id: 'ben', scopes: ['jobs'], workflows: ['text2img'] },
  { id: 'few', scopes: ['jobs'], limits: { jobs_waiting: 1, jobs_running: 1 } },
];
const CHECKPOINTS = ['sd_xl_base_1.0.safetensors', '512-inpainting-ema.safetensors'];
const SMALL = { prompt: 'a lighthouse', model: 'text2img@sketch', size: '64x64' } as const;

type Graph = Record<string, { class_type: string; inputs: Record<string, unknown> }>;

let folder: string;
let gpus: Simulator[];
let stack: TestStack;
let anna: OpenAI;
let ben: OpenAI;

const client = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${stack.url}/v1` });
const as = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });
const startGpu = (n: number) =>
  startSimulator({ stepMs: 1, checkpoints: CHECKPOINTS, journal: join(folder, `gpu-${n}.jsonl`) });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-openai-'));
  const keysFile = join(folder, 'keys.json');
  const keys = KEYS.map((key) => ({ ...key, sha256: createHash('sha256').update(key.id).digest('hex') }));
  await writeFile(keysFile, JSON.stringify({ keys }));
  gpus = await Promise.all([1, 2, 3].map(startGpu));
  stack = await startStack({
    redisUrl: inject('redisUrl'),
    env: { API_KEYS_FILE: keysFile, ...overridesEnv({ worker: { unreachableSeconds: 2 } }) },
  });
  for (const [index, { url }] of gpus.entries()) await stack.startWorker(`gpu-${index + 1}`, [url]);
  const inpaint = readFileSync(new URL('../graphs/inpaint-mask.json', import.meta.url), 'utf8');
  const headers = { ...as('anna').headers, 'content-type': 'application/json' };
  const published = await fetch(`${stack.url}/workflows/inpaint`, { method: 'PUT', headers, body: inpaint });
  expect(published.status).toBe(201);
  [anna, ben] = [client('anna'), client('ben')];
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

async function job(id: string | null | undefined, key = 'anna'): Promise<Job> {
  return (await (await fetch(`${stack.url}/jobs/${id}`, as(key))).json()) as Job;
}

/** Ids of all jobs of the key. */
async function jobsOf(key: string): Promise<string[]> {
  const list = (await (await fetch(`${stack.url}/jobs?limit=100`, as(key))).json()) as JobList;
  return list.data.map(({ id }) => id);
}

/** What `make` adds to the jobs of the key. */
async function madeBy(key: string, make: () => Promise<unknown>): Promise<string[]> {
  const before = new Set(await jobsOf(key));
  await make();
  return (await jobsOf(key)).filter((id) => !before.has(id));
}

const read = async (answer: Response) => (await answer.json()) as { data: OpenAI.Image[] };
const bytes = (image: OpenAI.Image | undefined) => Buffer.from(image?.b64_json ?? '', 'base64');
const looks = async (image: OpenAI.Image | undefined) => {
  const { format, width, height } = await sharp(bytes(image)).metadata();
  return `${format} ${width}x${height}`;
};

async function failure(asked: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof OpenAI.APIError) return error;
  throw new Error(`no error of the API: ${String(error)}`);
}

/** The file that an instance was given for a node of the class. */
async function givenTo(className: string): Promise<Buffer> {
  for (const { url } of gpus) {
    const history = (await (await fetch(`${url}/history`)).json()) as Record<
      string,
      { prompt: [number, string, Graph] }
    >;
    const nodes = Object.values(history).flatMap(({ prompt: [, , graph] }) => Object.values(graph));
    const node = nodes.find(({ class_type }) => class_type === className);
    if (node === undefined) continue;
    const file = await fetch(`${url}/view?type=input&filename=${node.inputs.image}`);
    return Buffer.from(await file.arrayBuffer());
  }
  throw new Error(`no instance ran a node of the class ${className}`);
}

/** A picture whose left half is transparent. */
async function halfTransparent(): Promise<Buffer> {
  const pixels = Buffer.alloc(64 * 64 * 4, 200);
  for (let at = 0; at < 64 * 64; at += 1) pixels[at * 4 + 3] = at % 64 < 32 ? 0 : 255;
  return sharp(pixels, { raw: { width: 64, height: 64, channels: 4 } })
    .png()
    .toBuffer();
}
const opaque = () =>
  sharp({ create: { width: 64, height: 64, channels: 3, background: '#336699' } })
    .png()
    .toBuffer();
const png = async (data: Promise<Buffer>, name: string) => toFile(await data, name, { type: 'image/png' });

describe("OpenAI's own client", () => {
  it('lists the models that its key may use, and finds one', async () => {
    const ids = [];
    for await (const { id } of anna.models.list()) ids.push(id);
    expect(ids).toEqual(expect.arrayContaining(['text2img', 'text2img@final', 'img2img', 'inpaint@sketch']));
    expect((await ben.models.list()).data.filter(({ id }) => /img2img|inpaint/.test(id))).toEqual([]);
    expect((await anna.models.retrieve('inpaint@sketch')).id).toBe('inpaint@sketch');
    expect(await failure(anna.models.retrieve('gpt-4o'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
  });

  it('makes a picture of a prompt, and gets the id of its job', async () => {
    const made = await anna.images.generate({ ...SMALL, user: 'me', style: 'vivid', moderation: 'low' });
    expect(await looks(made.data?.[0])).toBe('png 64x64');
    expect(made).toMatchObject({ size: '64x64', quality: 'low', output_format: 'png' });
    expect(await job(made._request_id)).toMatchObject({
      status: 'succeeded',
      lod: 'sketch',
      request: { prompt: 'a lighthouse' },
    });
  });

  it('makes several pictures as one job, in the format that it wants', async () => {
    let made: OpenAI.ImagesResponse | undefined;
    const jobs = await madeBy('anna', async () => {
      made = await anna.images.generate({ ...SMALL, n: 2, output_format: 'webp', output_compression: 60 });
    });
    expect(jobs).toHaveLength(1);
    expect(await Promise.all((made?.data ?? []).map(looks))).toEqual(['webp 64x64', 'webp 64x64']);
    expect(bytes(made?.data?.[0])).not.toEqual(bytes(made?.data?.[1]));
  });

  it('gets a URL that anybody opens', async () => {
    const { data } = await anna.images.generate({ ...SMALL, response_format: 'url' });
    const picture = await fetch(data?.[0]?.url ?? '');
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
  });

  it('streams previews and then the picture', async () => {
    for (const gpu of gpus) gpu.set({ stepMs: 1000 });
    const stream = await anna.images.generate({
      ...SMALL,
      model: 'text2img@final',
      size: '256x256',
      stream: true,
      partial_images: 2,
    });
    const events: OpenAI.ImageGenStreamEvent[] = [];
    for await (const event of stream) {
      events.push(event);
      for (const gpu of gpus) gpu.set({ stepMs: 1 });
    }
    const partials = events.filter(({ type }) => type === 'image_generation.partial_image');
    const last = events.at(-1);
    expect(partials.length).toBeGreaterThan(0);
    expect(partials.map((event) => 'partial_image_index' in event && event.partial_image_index)).toEqual([
      ...partials.keys(),
    ]);
    expect(await looks(partials[0])).toMatch(/^jpeg /);
    expect(last?.type).toBe('image_generation.completed');
    expect(await looks(last)).toBe('png 256x256');
  });

  it('changes a picture, with a model of its own', async () => {
    const image = await png(opaque(), 'sea.png');
    const made = await anna.images.edit({
      image,
      prompt: 'at dawn',
      model: 'gpt-image-2',
      quality: 'low',
      size: '64x64',
    });
    expect(await looks(made.data?.[0])).toBe('png 64x64');
    expect(await job(made._request_id)).toMatchObject({
      kind: 'img2img',
      lod: 'sketch',
      request: { prompt: 'at dawn' },
    });
  });

  it('changes what its mask has transparent: ComfyUI gets it white, and transparent', async () => {
    const [image, mask] = [await png(opaque(), 'sea.png'), await png(halfTransparent(), 'mask.png')];
    const made = await anna.images.edit({ image: [image], mask, prompt: 'a boat', model: 'inpaint', n: 2 });
    expect(made.data).toHaveLength(2);
    const pixels = await sharp(await givenTo('LoadImageMask'))
      .raw()
      .toBuffer();
    expect([...pixels.subarray(0, 4), ...pixels.subarray(63 * 4, 64 * 4)]).toEqual([255, 255, 255, 0, 0, 0, 0, 255]);
  });

  it('streams a changed picture', async () => {
    const image = await png(opaque(), 'sea.png');
    const stream = await anna.images.edit({ image, prompt: 'at dawn', size: '64x64', stream: true });
    const types = [];
    for await (const { type } of stream) types.push(type);
    expect(types).toEqual(['image_edit.completed']);
  });
});

describe('what fails', () => {
  it('has the errors of the client', async () => {
    expect(await failure(client('nobody').images.generate(SMALL))).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    expect(await failure(anna.images.generate({ ...SMALL, n: 11 }))).toMatchObject({ status: 400, param: 'n' });
    expect(await failure(ben.images.generate({ ...SMALL, model: 'inpaint' }))).toMatchObject({ status: 404 });
    const image = await png(opaque(), 'sea.png');
    expect(await failure(anna.images.edit({ image: [image, image], prompt: 'x' }))).toMatchObject({
      status: 400,
      param: 'image',
    });
    expect(await failure(anna.images.edit({ image, mask: image, prompt: 'x', model: 'inpaint' }))).toMatchObject({
      status: 400,
      param: 'mask',
    });
    expect(await failure(anna.images.edit({ image, prompt: 'x', model: 'inpaint' }))).toMatchObject({
      status: 400,
      param: 'mask',
    });
  });

  it('is not asked for again by the client once there is a job', async () => {
    for (const gpu of gpus) gpu.faults.add({ kind: 'lost_prompt' });
    let error: InstanceType<typeof OpenAI.APIError> | undefined;
    const jobs = await madeBy('anna', async () => {
      error = await failure(anna.images.generate(SMALL));
    });
    expect(error).toMatchObject({ status: 500, code: 'prompt_lost' });
    expect(jobs).toEqual([error?.requestID]);
  });

  it('is asked for again by the client while the queue is full, until it is not', async () => {
    const few = client('few');
    // Slow the GPUs down, so that no job ends before the test wants it to.
    for (const gpu of gpus) gpu.set({ stepMs: 2000 });
    const slow = { ...SMALL, model: 'text2img@final' };
    // One runs, one waits, and there is no place for a third before the first has ended.
    const first = few.images.generate(slow);
    await until('it is claimed', async () => {
      const [id] = await jobsOf('few');
      return id !== undefined && (await job(id, 'few')).queue_position === null;
    });
    const second = few.images.generate(slow);
    await until('another waits', async () => (await jobsOf('few')).length === 2);
    expect(await failure(client('few').images.generate(slow, { maxRetries: 0 }))).toMatchObject({
      status: 429,
      code: 'queue_full',
    });
    const third = few.images.generate(slow, { maxRetries: 100 });
    for (const gpu of gpus) gpu.set({ stepMs: 2 });
    for (const { data } of await Promise.all([first, second, third])) expect(await looks(data?.[0])).toBe('png 64x64');
    expect(await jobsOf('few')).toHaveLength(3);
  });

  it('answers the same job under the same Idempotency-Key', async () => {
    const headers = { 'Idempotency-Key': 'order-7' };
    const jobs = await madeBy('anna', async () => {
      const [one, two] = [
        await anna.images.generate(SMALL, { headers }),
        await anna.images.generate(SMALL, { headers }),
      ];
      expect(two.data).toEqual(one.data);
      expect(two._request_id).toBe(one._request_id);
    });
    expect(jobs).toHaveLength(1);
  });
});

describe('two keys', () => {
  it('see nothing of each other', async () => {
    const [ofAnna, ofBen] = await Promise.all([anna.images.generate(SMALL), ben.images.generate(SMALL)]);
    expect(bytes(ofAnna.data?.[0])).not.toEqual(bytes(ofBen.data?.[0]));
    expect(await jobsOf('ben')).not.toContain(ofAnna._request_id);
    for (const path of [`/jobs/${ofAnna._request_id}`, `/images/${ofAnna._request_id}_1.png`]) {
      expect((await fetch(stack.url + path, as('ben'))).status).toBe(404);
    }
    const headers = { 'Idempotency-Key': 'of-both' };
    const [one, two] = [await anna.images.generate(SMALL, { headers }), await ben.images.generate(SMALL, { headers })];
    expect(one._request_id).not.toBe(two._request_id);
  });
});

describe('the calls of other clients', () => {
  const json = { ...as('anna').headers, 'Content-Type': 'application/json' };

  it('of Open WebUI make pictures, and change one', async () => {
    const body = { model: 'dall-e-2', prompt: 'a fox', n: 1, size: '64x64', response_format: 'b64_json' };
    const answer = await fetch(`${stack.url}/v1/images/generations`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify(body),
    });
    expect(await looks((await read(answer)).data[0])).toBe('png 64x64');
    for (const field of ['image', 'image[]']) {
      const form = new FormData();
      for (const [name, value] of Object.entries({ ...body, n: '1', background: 'auto' }))
        form.set(name, value as string);
      form.append(field, new Blob([new Uint8Array(await opaque())], { type: 'image/png' }), 'image.png');
      const edited = await fetch(`${stack.url}/v1/images/edits`, { method: 'POST', ...as('anna'), body: form });
      expect(await looks((await read(edited)).data[0])).toBe('png 64x64');
    }
  });

  it('of LibreChat make pictures, and change one', async () => {
    const body = { model: 'gpt-image-1', prompt: 'a fox', background: 'auto', quality: 'auto', size: 'auto' };
    const made = await anna.images.generate({
      ...body,
      n: 1,
      output_format: 'png',
    } as OpenAI.ImageGenerateParamsNonStreaming);
    expect(await looks(made.data?.[0])).toBe('png 1024x640');
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...body, prompt: 'a boat' })) form.append(name, value);
    form.append('image[]', new Blob([new Uint8Array(await opaque())], { type: 'image/png' }), 'a.png');
    const edited = await fetch(`${stack.url}/v1/images/edits`, { method: 'POST', ...as('anna'), body: form });
    expect((await read(edited)).data[0]?.b64_json).toMatch(/^iVBOR/);
  });
});

describe('an instance that dies on the way', () => {
  it('takes no answer along', async () => {
    for (const gpu of gpus) gpu.set({ stepMs: 50 });
    const asked = Array.from({ length: 6 }, (_, index) =>
      anna.images.generate({ ...SMALL, prompt: `a boat ${index}` }),
    );
    // Kill any GPU that is executing. With only six jobs, a particular GPU might get none.
    const dying = await until('one executes', () => gpus.find((gpu) => gpu.journal().at(-1)?.event === 'start'));
    await dying.close();
    const answers = await Promise.all(asked);
    expect(await Promise.all(answers.map(({ data }) => looks(data?.[0])))).toEqual(answers.map(() => 'png 64x64'));
    expect(new Set(answers.map(({ _request_id: id }) => id)).size).toBe(6);
  });
});
