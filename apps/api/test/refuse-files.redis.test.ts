import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type AssetView, FleetError, filesOf, type InputFile, type Job } from '@comfy-fleet/contracts';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';
import { plain } from './pictures.js';
import { publish, publishRealCatalogue, refusal } from './runnable.js';

const HLS = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///secret.mp4\n#EXT-X-ENDLIST\n';
const CONCAT = 'ffconcat version 1.0\nfile planted.mp4\n';
const MPD = '<MPD profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><BaseURL>/secret.mp4</BaseURL></MPD>';
const TAG = `ID3\x04\0\0\0\0\0\x64${'\0'.repeat(100)}`;
const clip = (name: string) =>
  readFileSync(new URL(`../../simulator/src/data/clips/${name}`, import.meta.url)).toString('latin1');
const MP4 = clip('clip.mp4');
const MP3 = clip('tone.mp3');
const NO_MEDIUM = 'neither an image nor a video nor audio';

const loads = (class_type: string, inputs: object) => ({ class_type, inputs, _meta: { title: 'input:media' } });
const saves = (class_type: string, more: object) => ({ class_type, inputs: { filename_prefix: 'x', ...more } });
/** Graphs by the class that loads the file. */
const GRAPHS: Readonly<Record<string, (file: unknown) => object>> = {
  LoadVideo: (file) => ({
    1: loads('LoadVideo', { file }),
    2: saves('SaveVideo', { video: ['1', 0], format: 'auto', codec: 'auto' }),
  }),
  LoadAudio: (audio) => ({
    1: loads('LoadAudio', { audio }),
    2: saves('SaveAudio', { audio: ['1', 0] }),
  }),
  LoadImage: (image) => ({
    1: loads('LoadImage', { image }),
    2: saves('SaveImage', { images: ['1', 0] }),
  }),
  LoadImageMask: (image) => ({
    1: loads('LoadImageMask', { image, channel: 'red' }),
    3: { class_type: 'MaskToImage', inputs: { mask: ['1', 0] } },
    2: saves('SaveImage', { images: ['3', 0] }),
  }),
};
const graphOf = (className: string, file: unknown) => GRAPHS[className]?.(file) ?? {};
const workflowOf = (className: string) => `uses-${className.toLowerCase()}`;

let api: TestApi;
/** An API on the same jobs and files with a lower limit. */
let small: TestApi;
beforeAll(async () => {
  const keys = [aKey('root', { scopes: ['jobs', 'graphs', 'admin'] }), aKey('anna', { scopes: ['jobs', 'graphs'] })];
  api = await startApi(inject('redisUrl'), { keys });
  const shared = { KEY_PREFIX: api.config.redis.prefix, FRAMES_DIR: api.framesDir };
  small = await startApi(inject('redisUrl'), { keys, env: { ...shared, MAX_JOB_PIXELS: '327680' } });
  await publishRealCatalogue(api);
  for (const name of Object.keys(GRAPHS)) await publish(api, workflowOf(name), graphOf(name, 'a'));
});
afterAll(async () => {
  await small.close();
  await api.close();
});

const bytes = (content: string | Buffer) => (typeof content === 'string' ? Buffer.from(content, 'latin1') : content);

async function upload(content: string | Buffer, filename: string): Promise<AssetView> {
  const query = new URLSearchParams({ filename });
  const answer = await api.get(`/assets?${query}`, { method: 'POST', body: bytes(content), ...as('anna') });
  return (await answer.json()) as AssetView;
}

/** All ways in which a caller without special rights can use an own file in a job. */
const WAYS: readonly (readonly [
  name: string,
  send: (className: string, content: string | Buffer, filename: string) => Promise<Response>,
])[] = [
  [
    'POST /workflows/:name',
    async (className, content, filename) => {
      const { id } = await upload(content, filename);
      return api.post(`/workflows/${workflowOf(className)}`, { inputs: { media: `asset:${id}` } }, as('anna'));
    },
  ],
  [
    'POST /graphs',
    async (className, content, filename) => {
      const { id } = await upload(content, filename);
      return api.post('/graphs', { graph: graphOf(className, `asset:${id}`) }, as('anna'));
    },
  ],
  [
    'POST /jobs/batch',
    async (className, content, filename) => {
      const { id } = await upload(content, filename);
      const jobs = [{ kind: 'graph', graph: graphOf(className, `asset:${id}`) }];
      return api.post('/jobs/batch', { jobs }, as('anna'));
    },
  ],
  [
    "ComfyUI's POST /prompt",
    async (className, content, filename) => {
      const body = new FormData();
      body.set('image', new Blob([new Uint8Array(bytes(content))]), filename);
      const sent = await api.get('/comfyui/k/anna/upload/image', { method: 'POST', body });
      const { name } = (await sent.json()) as { name: string };
      return api.post('/comfyui/k/anna/prompt', { prompt: graphOf(className, name) });
    },
  ],
  [
    'POST /api/v2/jobs with a reference',
    async (className, content, filename) => {
      const { id } = await upload(content, filename);
      const reference = { __type: 'core/ASSET', info: { id } };
      return api.post('/api/v2/jobs', { workflow: graphOf(className, reference) }, as('anna'));
    },
  ],
];

const PLAYLISTS = [
  ['LoadVideo', 'an HLS playlist', HLS, 'x.m3u8'],
  ['LoadVideo', 'a list of ffmpeg', CONCAT, 'x.mp4'],
  ['LoadVideo', 'a list of ffmpeg under the name of a text', CONCAT, 'x.txt'],
  ['LoadVideo', 'a DASH playlist that begins as QuickTime', `<!--free-->${MPD}`, 'x.mov'],
  ['LoadAudio', 'a list of ffmpeg', CONCAT, 'x.mp3'],
  ['LoadImage', 'an HLS playlist', HLS, 'x.png'],
  ['LoadImage', 'a list of ffmpeg', CONCAT, 'x.png'],
  ['LoadImageMask', 'a list of ffmpeg', CONCAT, 'x.webp'],
] as const;

it.each(WAYS.flatMap(([way, send]) => PLAYLISTS.map(([...one]) => [way, ...one, send] as const)))(
  '%s refuses for %s %s (%#)',
  async (_way, className, _what, content, filename, send) => {
    const answer = await send(className, content, filename);
    expect(answer.ok).toBe(false);
    expect(await answer.text()).toContain(`by its bytes the file is ${NO_MEDIUM}`);
  },
);

const accepted = async (answer: Response): Promise<Job> => {
  if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Job;
};
const png = () => plain(20, 10, 'red').png().toBuffer();
const use = async (className: string, id: string) =>
  api.post(`/workflows/${workflowOf(className)}`, { inputs: { media: `asset:${id}` } }, as('anna'));

it.each(WAYS)('%s accepts real media under any name', async (_way, send) => {
  for (const [className, content] of [
    ['LoadVideo', MP4],
    ['LoadAudio', MP3],
    ['LoadAudio', TAG + MP3],
    ['LoadAudio', MP4],
    ['LoadImage', await png()],
  ] as const) {
    const answer = await send(className, content, 'playlist.m3u8');
    expect([answer.status, answer.ok || (await answer.text())]).toEqual([answer.status, true]);
  }
});

const ONE_MEDIUM = 'must be one picture, video or sound and nothing else';
const AGAIN = 'Save it again in an editor, a picture as PNG';
const joined = async () => Buffer.concat([await png(), await png()]);
const NUT = 'NM\x7a\x56\x1f\x5f\x04\xad';
const hidden = async () => Buffer.concat([await plain(20, 10, 'red').webp().toBuffer(), bytes(NUT)]);

it.each([
  ['LoadVideo', 'must be a video or an animated image; by its bytes the file is a still image', png],
  ['LoadVideo', 'must be a video or an animated image; by its bytes the file is audio', () => MP3],
  ['LoadImage', 'must be an image; by its bytes the file is a video', () => MP4],
  ['LoadAudio', 'must be audio or a video; by its bytes the file is a still image', png],
  ['LoadImage', `${ONE_MEDIUM}; the file has data after the end of the picture. ${AGAIN}`, joined],
  [
    'LoadImage',
    `${ONE_MEDIUM}; the file has bytes in its metadata that ffmpeg would take for a video. ${AGAIN}`,
    hidden,
  ],
  ['LoadAudio', `${ONE_MEDIUM}; the file has something else than an MP3 behind a tag. ${AGAIN}`, () => TAG + CONCAT],
])('%s %s', async (className, detail, content) => {
  const { id } = await upload(await content(), 'x.bin');
  expect(await refusal(await use(className, id))).toEqual(['validation_failed', { pointer: '/inputs/media', detail }]);
});

it.each([
  [MP4, 'mp4', 'x.m3u8'],
  [MP3, 'mp3', 'x.m3u8'],
  [TAG + MP3, 'mp3', 'x.ffconcat'],
  ['GIF89a\x01\0\x01\0', 'gif', 'x.mpd'],
])('names a medium on the instance by its bytes (%#)', async (content, extension, filename) => {
  const sent = extension === 'gif' ? await plain(2, 2, 'red').gif().toBuffer() : content;
  const { id, hash } = await upload(sent, filename);
  const className = { mp4: 'LoadVideo', mp3: 'LoadAudio', gif: 'LoadImage' }[extension] ?? '';
  const { request } = await accepted(await use(className, id));
  expect(request).toMatchObject({ inputs: { media: { name: `${hash.slice('blake3:'.length)}.${extension}` } } });
});

it('checks an asset by its bytes when it was stored with the kind that its name suggests', async () => {
  const digest = 'a'.repeat(64);
  const file = { digest, name: `${digest}.m3u8`, contentType: 'image/png', filename: 'x.png', bytes: HLS.length };
  await api.inputs.put(file.name, [Buffer.from(HLS)], { signal: new AbortController().signal });
  const { asset } = await api.ledger.assets.keep('anna', { ...file, kind: 'image' });
  const [code, error] = await refusal(await use('LoadImage', asset.id));
  expect([code, error?.detail]).toEqual([
    'validation_failed',
    `must be an image; by its bytes the file is ${NO_MEDIUM}`,
  ]);
});

const fileOf = async (id: string): Promise<InputFile> => {
  const [[, file] = []] = filesOf((await api.ledger.jobs.get(id))?.record.request ?? { inputs: {} });
  if (file === undefined) throw new Error('the job has no file');
  return file;
};

it('refuses a graph of which more inputs name a file than may, even if all name the same, before it looks for it', async () => {
  const loaders = Array.from({ length: 101 }, (_, n) => [`${n}`, loads('LoadImage', { image: 'asset:1' })]);
  const graph = { ...Object.fromEntries(loaders), x: saves('SaveImage', { images: ['0', 0] }) };
  const [, error] = await refusal(await api.post('/graphs', { graph }, as('anna')));
  expect(error?.detail).toBe('names files in 101 inputs; at most 100 may name one');
});

it('gives ComfyUI a copy of a video that counts as a file of the key, and makes it once', async () => {
  const { id, hash } = await upload(`${MP4}copied`, 'x.mp4');
  const before = await api.ledger.storage.use('anna');
  const file = await fileOf((await accepted(await use('LoadVideo', id))).id);
  const name = `${hash.slice('blake3:'.length)}.mp4`;
  expect(file).toMatchObject({ name: expect.stringMatching(/\.mov$/), copyOf: name, kind: 'video' });
  const stored = await api.inputs.stat(file.name);
  expect(stored?.bytes).toBe(file.bytes);
  expect((await api.ledger.storage.use('anna')).bytes - before.bytes).toBeGreaterThanOrEqual(file.bytes ?? 0);
  expect(await fileOf((await accepted(await use('LoadVideo', id))).id)).toEqual(file);
  // Its times of creation would differ.
  expect((await api.inputs.stat(file.name))?.sha256).toBe(stored?.sha256);
  await api.inputs.delete(file.name);
  expect(await fileOf((await accepted(await use('LoadVideo', id))).id)).toEqual(file);
  expect(await api.inputs.stat(file.name)).toBeDefined();
});

it('makes no copy of a video that takes the disk space that must stay free', async () => {
  let checks = Infinity;
  const requireSpace = async () => {
    checks -= 1;
    if (checks < 0) throw new FleetError('storage_full', 'full');
  };
  const env = { KEY_PREFIX: api.config.redis.prefix, FRAMES_DIR: api.framesDir };
  const own = await startApi(inject('redisUrl'), {
    keys: [aKey('anna', { scopes: ['jobs', 'graphs'] })],
    env,
    requireSpace,
  });
  onTestFinished(() => own.close());
  const { id } = await upload(`${MP4}full`, 'x.mp4');
  checks = 1; // of the order itself
  const answer = await own.post('/graphs', { graph: graphOf('LoadVideo', `asset:${id}`) }, as('anna'));
  expect((await refusal(answer))[0]).toBe('storage_full');
});

it('checks the file of a job that is retried', async () => {
  const { id } = await upload(`${MP4}again`, 'x.mp4');
  const job = await accepted(await use('LoadVideo', id));
  await api.post(`/jobs/${job.id}/cancel`, undefined, as('anna'));
  const retry = () => api.post(`/jobs/${job.id}/retry`, undefined, as('anna'));
  await accepted(await retry());
  const { name } = await fileOf(job.id);
  await api.inputs.put(name, [Buffer.from(CONCAT)], { signal: new AbortController().signal });
  // Another process, which has not measured the file yet.
  const answer = await small.post(`/jobs/${job.id}/retry`, undefined, as('anna'));
  expect((await refusal(answer))[1]?.detail).toContain(NO_MEDIUM);
});

const SIDE = 128;
/** Frames of different colours, since equal ones would be merged. */
function moving(frames: number) {
  const colours = Array.from({ length: frames }, (_, n) => Buffer.alloc(SIDE * SIDE * 3, 10 * n));
  return sharp(Buffer.concat(colours), {
    raw: { width: SIDE, height: SIDE * frames, channels: 3, pageHeight: SIDE },
  });
}
/** An animated PNG, which sharp cannot write. */
async function apng(frames: number): Promise<Buffer> {
  const content = await plain(SIDE, SIDE, 'red').png().toBuffer();
  const pixels = content.indexOf('IDAT') - 4;
  const control = Array.from({ length: frames }, () => chunk('fcTL', 26));
  return Buffer.concat([content.subarray(0, pixels), chunk('acTL', 8), ...control, content.subarray(pixels)]);
}
function chunk(type: string, bytes: number): Buffer {
  const content = Buffer.alloc(bytes + 12);
  content.writeUInt32BE(bytes, 0);
  content.write(type, 4);
  content.writeUInt32BE(crc32(content.subarray(4, -4)), bytes + 8);
  return content;
}

it.each([
  ['a PNG', 'LoadImage', apng],
  ['a GIF', 'LoadImage', (frames: number) => moving(frames).gif().toBuffer()],
  ['a WebP', 'LoadImage', (frames: number) => moving(frames).webp().toBuffer()],
  ['a GIF as a mask', 'LoadImageMask', (frames: number) => moving(frames).gif().toBuffer()],
] as const)('counts all frames of %s', async (_what, className, content) => {
  const ordered = async (frames: number) => {
    const { id } = await upload(await content(frames), 'x');
    return small.post(`/workflows/${workflowOf(className)}`, { inputs: { media: `asset:${id}` } }, as('anna'));
  };
  await accepted(await ordered(20));
  expect((await refusal(await ordered(21)))[1]?.detail).toContain(`the job would make ${SIDE * SIDE * 21} pixels`);
});

it('counts the frames of a video that a node decodes, and refuses one that cannot be measured, even if it is only saved', async () => {
  const decoding = (asset: string) => ({
    1: { class_type: 'LoadVideo', inputs: { file: asset } },
    2: { class_type: 'GetVideoComponents', inputs: { video: ['1', 0] } },
    3: saves('SaveImage', { images: ['2', 0] }),
  });
  const detailOf = async (asset: string) =>
    (await refusal(await small.post('/graphs', { graph: decoding(asset) }, as('anna'))))[1]?.detail;
  const saved = (asset: string) => small.post('/graphs', { graph: graphOf('LoadVideo', asset) }, as('anna'));
  const video = `asset:${(await upload(MP4, 'x.mp4')).id}`;
  const damaged = `asset:${(await upload(MP4.slice(0, 200), 'x.mp4')).id}`;
  expect(await detailOf(video)).toContain(`the job would make ${192 * 128 * 24} pixels`);
  await accepted(await saved(video));
  for (const detail of [await detailOf(damaged), (await refusal(await saved(damaged)))[1]?.detail])
    expect(detail).toContain('reads a file that cannot be measured: PNG, JPEG');
});

const savingLatent = (asset: string) => ({
  1: { class_type: 'LoadLatent', inputs: { latent: `asset:${asset}` } },
  2: saves('SaveLatent', { samples: ['1', 0] }),
});

it('accepts any file for a node class that reads no medium', async () => {
  const { id } = await upload(CONCAT, 'x.latent');
  await accepted(await api.post('/graphs', { graph: savingLatent(id) }, as('anna')));
});

it('counts an uploaded latent by its size', async () => {
  const ordered = async (bytes: number) => {
    const { id } = await upload(Buffer.alloc(bytes), 'x.latent');
    const graph = {
      1: { class_type: 'LoadLatent', inputs: { latent: `asset:${id}` } },
      2: saves('SaveLatent', { samples: ['1', 0] }),
    };
    return small.post('/graphs', { graph }, as('anna'));
  };
  await accepted(await ordered(75 * 256));
  expect((await refusal(await ordered(81 * 256)))[1]?.detail).toContain(
    `the job would make ${64 * 64 * 81 + 2 * 16 * 500} pixels`,
  );
});
