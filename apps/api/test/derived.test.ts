import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore, type FrameType, frameName } from '@comfy-fleet/frames';
import { until } from '@comfy-fleet/testing';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTasks } from '../src/decoding/tasks.js';
import { createDerived, type Derived } from '../src/files/derived.js';
import { createAllTurns } from '../src/server/turns.js';
import { half, noise, plain, readCorners, transparent } from './pictures.js';

const { signal } = new AbortController();
const LIMITS = {
  widths: [64, 128, 512],
  maxPixels: 100_000,
  maxBytes: 1_000_000,
};

type Options = Omit<Parameters<typeof createDerived>[0], 'decoder' | 'room'>;
const deriving = (options: Options) =>
  createDerived({
    ...options,
    room: async () => {},
    decoder: createTasks({ frames: options.frames, inputs: options.frames }),
  });

let dir: string;
let frames: FrameStore;
let store: FrameStore;
let derived: Derived;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'derived-'));
  frames = createFileFrames({ dir: join(dir, 'frames'), owner: 'test' });
  store = createFileFrames({ dir: join(dir, 'derived'), owner: 'test' });
  derived = deriving({ frames, derived: store, ...LIMITS });
});
afterEach(() => rm(dir, { recursive: true }));

async function putFrame(data: Buffer, type: FrameType = 'png'): Promise<string> {
  const name = frameName(newId(), 1, type);
  await frames.put(name, [data], { signal });
  return name;
}

type Form = Parameters<Derived['picture']>[1];
const visit = { key: 'anna', decoding: createAllTurns().decoding, signal };
const W64 = { width: 64 };

/** The picture that is served for this form, and its metadata. */
async function get(filename: string, form: Form) {
  const file = await derived.picture(filename, form, visit);
  const stream = file && (await file.store.open(file.name));
  if (file === undefined || stream === undefined) return undefined;
  const data = await buffer(stream);
  const { width, height, format } = await sharp(data).metadata();
  return { name: file.name, contentType: file.contentType, data, width, height, format };
}

const kept = () => readdir(join(dir, 'derived')).catch(() => []);

it.each<[FrameType, Form]>([
  ['png', {}],
  ['png', { format: 'png' }],
  ['webp', { format: 'webp' }],
  ['gif', {}],
])('the frame itself is served when a %s is requested as %o', async (type, form) => {
  const frame = await putFrame(await plain(8, 8, 'red').toFormat(type).toBuffer(), type);
  expect(await derived.picture(frame, form, visit)).toMatchObject({ store: frames, name: frame });
  expect(await kept()).toEqual([]);
});

describe('a derived picture', () => {
  it('has the requested width and format, and the aspect ratio of the frame', async () => {
    const frame = await putFrame(await plain(256, 128, 'red').png().toBuffer());
    const found = await get(frame, { width: 64, format: 'webp' });
    expect(found).toMatchObject({
      name: frame.replace('.png', '_w64.webp'),
      contentType: 'image/webp',
      ...{ width: 64, height: 32, format: 'webp' },
    });
    expect(await readCorners(found?.data ?? Buffer.alloc(0))).toEqual(['red', 'red', 'red', 'red']);
  });

  it.each<[Form, string, string, string, number]>([
    [{ format: 'jpeg' }, '.jpeg', 'image/jpeg', 'jpeg', 256],
    [{ format: 'webp' }, '.webp', 'image/webp', 'webp', 256],
    [{ width: 128 }, '_w128.png', 'image/png', 'png', 128],
    [{ width: 512 }, '_w512.png', 'image/png', 'png', 256],
  ])('as %o is never wider than the frame', async (form, ending, contentType, format, width) => {
    const frame = await putFrame(await plain(256, 128, 'blue').png().toBuffer());
    const name = frame.replace('.png', ending);
    expect(await get(frame, form)).toMatchObject({ name, contentType, format, width, height: width / 2 });
  });

  it.each([
    ['webp', W64, '_w64.webp', 'webp'],
    ['jpeg', W64, '_w64.jpeg', 'jpeg'],
    ['jpeg', { format: 'webp' }, '.webp', 'webp'],
    ['gif', W64, '_w64.png', 'png'],
  ] as const)('of a %s as %o is %s', async (type, form, ending, format) => {
    const frame = await putFrame(await plain(256, 128, 'blue').toFormat(type).toBuffer(), type);
    const found = await get(frame, form);
    const width = 'width' in form ? 64 : 256;
    expect(found).toMatchObject({
      name: frame.replace(`.${type}`, ending),
      contentType: `image/${format}`,
      format,
      width,
    });
    await derived.deleteFrame(frame);
    expect(await kept()).toEqual([]);
  });

  it('leaves no decoder in a cache, which would hold the unpacked picture', async () => {
    const frame = await putFrame(await plain(256, 128, 'red').jpeg({ progressive: true }).toBuffer(), 'jpeg');
    await get(frame, W64);
    expect(sharp.cache().items).toEqual({ current: 0, max: 0 });
  });

  it('is made once and stored', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const first = await get(frame, { width: 64, format: 'jpeg' });
    const name = first?.name ?? '';
    await writeFile(join(dir, 'derived', name), await plain(8, 8, 'green').jpeg().toBuffer());
    expect(await get(frame, { width: 64, format: 'jpeg' })).toMatchObject({ name, width: 8 });
    expect(await kept()).toEqual([name]);
  });

  it('is made once for concurrent requests', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    let made = 0;
    const counted: FrameStore = {
      ...store,
      put: (...args) => {
        made += 1;
        return store.put(...args);
      },
    };
    const shared = deriving({ frames, derived: counted, ...LIMITS });
    const options = { width: 64, format: 'webp' } as const;
    const ask = () => shared.picture(frame, options, { ...visit, signal: new AbortController().signal });
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(new Set(answers.map((answer) => answer?.name))).toEqual(new Set([frame.replace('.png', '_w64.webp')]));
    expect(made).toBe(1);
  });

  it('is white where the frame is transparent, as a JPEG', async () => {
    const found = await get(await putFrame(await transparent()), { format: 'jpeg' });
    expect(await readCorners(found?.data ?? Buffer.alloc(0))).toEqual(['white', 'white', 'white', 'white']);
  });

  it('has none of the metadata that ComfyUI wrote into the frame', async () => {
    const workflow = randomBytes(8).toString('hex');
    const data = await plain(64, 64, 'red')
      .withExif({ IFD0: { ImageDescription: workflow } })
      .png()
      .toBuffer();
    expect((await sharp(data).metadata()).exif?.includes(workflow)).toBe(true);
    const found = await get(await putFrame(data), W64);
    expect(found?.data.includes(workflow)).toBe(false);
  });

  it('does not exist when its frame never existed or was deleted, even if it was made before', async () => {
    const frame = await putFrame(await plain(64, 64, 'red').png().toBuffer());
    expect(await get(frameName(newId(), 1), { format: 'webp' })).toBeUndefined();
    expect(await get(frame, { format: 'webp' })).toBeDefined();
    await frames.delete(frame);
    expect(await get(frame, { format: 'webp' })).toBeUndefined();
    expect(await get('../secret.png', { format: 'webp' })).toBeUndefined();
  });

  it('is deleted in all sizes and formats with its frame, and those of other frames are not', async () => {
    const [frame, other] = [
      await putFrame(await noise().png().toBuffer()),
      await putFrame(await noise().png().toBuffer()),
    ];
    for (const form of [W64, { width: 128, format: 'webp' }, { format: 'jpeg' }] as const) await get(frame, form);
    const kept64 = await get(other, W64);
    await derived.deleteFrame(frame);
    expect(await kept()).toEqual([kept64?.name]);
  });

  it.each([
    ['with more pixels than allowed', plain(400, 251, 'red').png().toBuffer()],
    ['that is incomplete', noise().png().toBuffer().then(half)],
    ['that is not a picture', Promise.resolve(Buffer.from('no picture'))],
  ])('cannot be made of a frame %s, and leaves nothing behind', async (_what, data) => {
    const frame = await putFrame(await data);
    await expect(get(frame, W64)).rejects.toMatchObject({
      code: 'invalid_image',
      detail: 'The picture cannot be converted. Request it without width and format.',
    });
    expect(await kept()).toEqual([]);
  });

  it('cannot be made of a frame of more than MAX_IMAGE_BYTES, which is not read', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const { bytes = 0 } = (await frames.stat(frame)) ?? {};
    const reads: string[] = [];
    const watched: FrameStore = {
      ...frames,
      open: (name, range) => {
        if (range === undefined) reads.push('stream');
        return frames.open(name, range);
      },
    };
    const of = (maxBytes: number) => deriving({ frames: watched, derived: store, ...LIMITS, maxBytes });
    await expect(of(bytes - 1).picture(frame, W64, visit)).rejects.toMatchObject({
      code: 'invalid_image',
      detail: `The picture has ${bytes} bytes; at most ${bytes - 1} can be converted (MAX_IMAGE_BYTES). Request it without width and format.`,
    });
    expect([reads, await kept()]).toEqual([[], []]);
    expect(await of(bytes).picture(frame, W64, visit)).toBeDefined();
    expect(reads).toEqual(['stream']);
  });

  it('is made when it is its turn among all decoding work', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const decoding = pLimit(1);
    let done = (): void => undefined;
    const other = decoding(() => new Promise<void>((resolve) => (done = resolve)));
    const made = derived.picture(frame, W64, { ...visit, decoding: async (_key, work) => decoding(work) });
    await until('it waits for its turn', () => decoding.pendingCount === 1);
    expect(await kept()).toEqual([]);
    done();
    await other;
    expect(await made).toBeDefined();
  });

  it('shows the frame that was stored last under this name, not an earlier one', async () => {
    const frame = await putFrame(await plain(64, 64, 'red').png().toBuffer());
    const corners = async () => readCorners((await get(frame, { format: 'webp' }))?.data ?? Buffer.alloc(0));
    expect(await corners()).toEqual(['red', 'red', 'red', 'red']);
    await frames.put(frame, [await plain(64, 64, 'blue').png().toBuffer()], { signal });
    for (const name of await kept()) await store.delete(name);
    expect(await corners()).toEqual(['blue', 'blue', 'blue', 'blue']);
  });

  it('cannot be made of an SVG, which could show other files of its folder', async () => {
    const other = await putFrame(await plain(64, 64, 'red').png().toBuffer());
    const link = `<image href="${other}" width="64" height="64"/>`;
    const frame = await putFrame(
      Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">${link}</svg>`),
    );
    await expect(get(frame, { format: 'webp' })).rejects.toMatchObject({ code: 'invalid_image' });
  });

  it('can be made of a frame with exactly the allowed number of pixels', async () => {
    expect(await get(await putFrame(await plain(400, 250, 'red').png().toBuffer()), W64)).toBeDefined();
  });

  it('is completed for the remaining callers when one of them disconnects', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const options = { width: 64, format: 'webp' } as const;
    const leaving = new AbortController();
    const gone = new Error('the caller is gone');
    const left = derived.picture(frame, options, { ...visit, signal: leaving.signal });
    const stayed = derived.picture(frame, options, visit);
    leaving.abort(gone);
    await expect(left).rejects.toBe(gone);
    expect(await stayed).toMatchObject({ contentType: 'image/webp' });
  });

  it('is not made when all callers have disconnected, but is made for the next caller', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const options = { width: 64, format: 'webp' } as const;
    const gone = new Error('the caller is gone');
    await expect(derived.picture(frame, options, { ...visit, signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
    expect(await kept()).toEqual([]);
    expect(await derived.picture(frame, options, visit)).toMatchObject({ contentType: 'image/webp' });
  });

  it.each(['before it is stored', 'after it was looked for once more'])(
    'leaves nothing when its frame is deleted while it is made, %s',
    async (when) => {
      const frame = await putFrame(await noise().png().toBuffer());
      const options = { width: 64, format: 'webp' } as const;
      // Each side acts right before the step of the other side that it races with.
      const making = deriving({
        frames,
        derived: {
          ...store,
          put: async (...args) => {
            if (when === 'before it is stored') await derived.deleteFrame(frame);
            return store.put(...args);
          },
        },
        ...LIMITS,
      });
      const deleting = deriving({
        frames: {
          ...frames,
          delete: async (name) => {
            await making.picture(frame, options, visit);
            await frames.delete(name);
          },
        },
        derived: store,
        ...LIMITS,
      });
      if (when === 'before it is stored') expect(await making.picture(frame, options, visit)).toBeUndefined();
      else await deleting.deleteFrame(frame);
      expect(await kept()).toEqual([]);
      expect(await frames.stat(frame)).toBeUndefined();
    },
  );
});
