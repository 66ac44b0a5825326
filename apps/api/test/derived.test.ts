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
import { createDerived, type Derived } from '../src/files/derived.js';
import { createAllTurns } from '../src/server/turns.js';
import { half, noise, plain, readCorners, transparent } from './pictures.js';

const { signal } = new AbortController();
const LIMITS = { widths: [64, 128, 512], maxPixels: 100_000, maxBytes: 1_000_000, decoding: createAllTurns().decoding };

let dir: string;
let frames: FrameStore;
let store: FrameStore;
let derived: Derived;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'derived-'));
  frames = createFileFrames({ dir: join(dir, 'frames'), owner: 'test' });
  store = createFileFrames({ dir: join(dir, 'derived'), owner: 'test' });
  derived = createDerived({ frames, derived: store, ...LIMITS });
});
afterEach(() => rm(dir, { recursive: true }));

async function putFrame(data: Buffer, type: FrameType = 'png'): Promise<string> {
  const name = frameName(newId(), 1, type);
  await frames.put(name, [data], { signal });
  return name;
}

const wanted = (query: string, filename = 'a_1.png') => derived.wanted(new URLSearchParams(query), filename);

/** The metadata of the response to a request for the frame with this query. */
async function get(filename: string, query: string) {
  const options = wanted(query, filename);
  if (options === undefined) throw new Error('nothing derived was asked for');
  const answer = await derived.get(filename, options, signal, 'anna');
  const stream = answer === undefined ? undefined : await store.open(answer.name);
  if (answer === undefined || stream === undefined) return undefined;
  const data = await buffer(stream);
  const { width, height, format } = await sharp(data).metadata();
  return { ...answer, data, width, height, format };
}

const kept = () => readdir(join(dir, 'derived')).catch(() => []);

describe('the options of a derived picture', () => {
  it.each([
    ['width=64', { width: 64, format: 'png' }],
    ['width=512&format=webp', { width: 512, format: 'webp' }],
    ['format=jpeg&signature=x', { width: undefined, format: 'jpeg' }],
  ])('%s', (query, options) => {
    expect(wanted(query)).toEqual(options);
  });

  it.each(['', 'format=png', 'expires=1&signature=x'])('select the original frame: "%s"', (query) => {
    expect(wanted(query)).toBeUndefined();
  });

  it.each([
    ['a_1.webp', 'width=64', { width: 64, format: 'webp' }],
    ['a_1.webp', 'format=png', { width: undefined, format: 'png' }],
    ['a_1.jpeg', 'width=64&format=png', { width: 64, format: 'png' }],
    ['a_1.gif', 'width=64', { width: 64, format: 'png' }],
    ['a_1.gif', 'format=webp', { width: undefined, format: 'webp' }],
    ['a_1.webp', 'format=webp', undefined],
    ['a_1.gif', '', undefined],
  ])('of %s: "%s"', (filename, query, options) => {
    expect(wanted(query, filename)).toEqual(options);
  });

  const WIDTHS = { pointer: '/width', detail: 'must be one of 64, 128, 512' };
  const FORMATS = { pointer: '/format', detail: 'must be one of png, jpeg, webp' };
  it.each([
    ['width=65', [WIDTHS]],
    ['width=', [WIDTHS]],
    ['width=064', [WIDTHS]],
    ['width=64.0', [WIDTHS]],
    ['width=-64', [WIDTHS]],
    ['width=64&width=128', [WIDTHS]],
    ['width=64&width=64', [WIDTHS]],
    ['format=gif', [FORMATS]],
    ['format=PNG', [FORMATS]],
    ['format=__proto__', [FORMATS]],
    ['format=toString', [FORMATS]],
    ['width=1e3&format=', [WIDTHS, FORMATS]],
  ])('is not %s', (query, errors) => {
    expect(() => wanted(query)).toThrow(expect.objectContaining({ code: 'validation_failed', errors }));
  });
});

describe('a derived picture', () => {
  it('has the requested width and format, and the aspect ratio of the frame', async () => {
    const frame = await putFrame(await plain(256, 128, 'red').png().toBuffer());
    const found = await get(frame, 'width=64&format=webp');
    expect(found).toMatchObject({
      name: frame.replace('.png', '_w64.webp'),
      contentType: 'image/webp',
      ...{ width: 64, height: 32, format: 'webp' },
    });
    expect(await readCorners(found?.data ?? Buffer.alloc(0))).toEqual(['red', 'red', 'red', 'red']);
  });

  it.each([
    ['format=jpeg', '.jpeg', 'image/jpeg', 'jpeg', 256],
    ['format=webp', '.webp', 'image/webp', 'webp', 256],
    ['width=128', '_w128.png', 'image/png', 'png', 128],
    ['width=512', '.png', 'image/png', 'png', 256],
  ])('by %s is never wider than the frame', async (query, ending, contentType, format, width) => {
    const frame = await putFrame(await plain(256, 128, 'blue').png().toBuffer());
    const name = frame.replace('.png', ending);
    expect(await get(frame, query)).toMatchObject({ name, contentType, format, width, height: width / 2 });
  });

  it.each([
    ['webp', 'width=64', '_w64.webp', 'webp'],
    ['jpeg', 'width=64', '_w64.jpeg', 'jpeg'],
    ['jpeg', 'format=webp', '.webp', 'webp'],
    ['gif', 'width=64', '_w64.png', 'png'],
  ] as const)('of a %s by %s is %s', async (type, query, ending, format) => {
    const frame = await putFrame(await plain(256, 128, 'blue').toFormat(type).toBuffer(), type);
    const found = await get(frame, query);
    const width = query === 'width=64' ? 64 : 256;
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
    await get(frame, 'width=64');
    expect(sharp.cache().items).toEqual({ current: 0, max: 0 });
  });

  it('of a width that is not smaller than the frame is one file for all those widths', async () => {
    const frame = await putFrame(await plain(128, 64, 'red').png().toBuffer());
    const queries = ['width=128&format=webp', 'width=512&format=webp', 'format=webp'];
    const names = (await Promise.all(queries.map((query) => get(frame, query)))).map((found) => found?.name);
    expect(new Set(names)).toEqual(new Set([frame.replace('.png', '.webp')]));
    expect(await kept()).toEqual([frame.replace('.png', '.webp')]);
  });

  it('is made once and stored', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const first = await get(frame, 'width=64&format=jpeg');
    const name = first?.name ?? '';
    await writeFile(join(dir, 'derived', name), await plain(8, 8, 'green').jpeg().toBuffer());
    expect(await get(frame, 'width=64&format=jpeg')).toMatchObject({ name, width: 8 });
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
    const shared = createDerived({ frames, derived: counted, ...LIMITS });
    const options = { width: 64, format: 'webp' } as const;
    const ask = () => shared.get(frame, options, new AbortController().signal, 'anna');
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(new Set(answers.map((answer) => answer?.name))).toEqual(new Set([frame.replace('.png', '_w64.webp')]));
    expect(made).toBe(1);
  });

  it('is white where the frame is transparent, as a JPEG', async () => {
    const found = await get(await putFrame(await transparent()), 'format=jpeg');
    expect(await readCorners(found?.data ?? Buffer.alloc(0))).toEqual(['white', 'white', 'white', 'white']);
  });

  it('has none of the metadata that ComfyUI wrote into the frame', async () => {
    const workflow = randomBytes(8).toString('hex');
    const data = await plain(64, 64, 'red')
      .withExif({ IFD0: { ImageDescription: workflow } })
      .png()
      .toBuffer();
    expect((await sharp(data).metadata()).exif?.includes(workflow)).toBe(true);
    const found = await get(await putFrame(data), 'width=64');
    expect(found?.data.includes(workflow)).toBe(false);
  });

  it('does not exist when its frame never existed or was deleted, even if it was made before', async () => {
    const frame = await putFrame(await plain(64, 64, 'red').png().toBuffer());
    expect(await get(frameName(newId(), 1), 'format=webp')).toBeUndefined();
    expect(await get(frame, 'format=webp')).toBeDefined();
    await frames.delete(frame);
    expect(await get(frame, 'format=webp')).toBeUndefined();
    expect(await get('../secret.png', 'format=webp')).toBeUndefined();
  });

  it('is deleted in all sizes and formats with its frame, and those of other frames are not', async () => {
    const [frame, other] = [
      await putFrame(await noise().png().toBuffer()),
      await putFrame(await noise().png().toBuffer()),
    ];
    for (const query of ['width=64', 'width=128&format=webp', 'format=jpeg']) await get(frame, query);
    const kept64 = await get(other, 'width=64');
    await derived.deleteFrame(frame);
    expect(await kept()).toEqual([kept64?.name]);
  });

  it.each([
    ['with more pixels than allowed', plain(400, 251, 'red').png().toBuffer()],
    ['that is incomplete', noise().png().toBuffer().then(half)],
    ['that is not a picture', Promise.resolve(Buffer.from('no picture'))],
  ])('cannot be made of a frame %s, and leaves nothing behind', async (_what, data) => {
    const frame = await putFrame(await data);
    await expect(get(frame, 'width=64')).rejects.toMatchObject({
      code: 'invalid_image',
      detail: 'The picture cannot be converted; request it without width and format.',
    });
    expect(await kept()).toEqual([]);
  });

  it('cannot be made of a frame of more than MAX_IMAGE_BYTES, and only its first bytes are read', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const { bytes = 0 } = (await frames.stat(frame)) ?? {};
    const reads: string[] = [];
    const watched: FrameStore = {
      ...frames,
      path: (name) => {
        reads.push('file');
        return frames.path(name);
      },
      open: (name, range) => {
        if (range === undefined) reads.push('stream');
        return frames.open(name, range);
      },
    };
    const of = (maxBytes: number) => createDerived({ frames: watched, derived: store, ...LIMITS, maxBytes });
    await expect(of(bytes - 1).get(frame, { width: 64, format: 'png' }, signal, 'anna')).rejects.toMatchObject({
      code: 'invalid_image',
      detail: `The picture has ${bytes} bytes; at most ${bytes - 1} can be converted (MAX_IMAGE_BYTES). Request it without width and format.`,
    });
    expect([reads, await kept()]).toEqual([[], []]);
    expect(await of(bytes).get(frame, { width: 64, format: 'png' }, signal, 'anna')).toBeDefined();
    expect(reads).toEqual(['file']);
  });

  it('is made from a stream when the store has no local files', async () => {
    const frame = await putFrame(await plain(256, 128, 'red').png().toBuffer());
    const bucket: FrameStore = { ...frames, path: () => undefined };
    const made = await createDerived({ frames: bucket, derived: store, ...LIMITS }).get(
      frame,
      { width: 64, format: 'png' },
      signal,
      'anna',
    );
    expect(made).toMatchObject({ contentType: 'image/png' });
  });

  it('is made when it is its turn among all decoding work', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const decoding = pLimit(1);
    let done = (): void => undefined;
    const other = decoding(() => new Promise<void>((resolve) => (done = resolve)));
    const made = createDerived({
      frames,
      derived: store,
      ...LIMITS,
      decoding: async (_key, work) => decoding(work),
    }).get(frame, { width: 64, format: 'png' }, signal, 'anna');
    await until('it waits for its turn', () => decoding.pendingCount === 1);
    expect(await kept()).toEqual([]);
    done();
    await other;
    expect(await made).toBeDefined();
  });

  it('shows the frame that was stored last under this name, not an earlier one', async () => {
    const frame = await putFrame(await plain(64, 64, 'red').png().toBuffer());
    const corners = async () => readCorners((await get(frame, 'format=webp'))?.data ?? Buffer.alloc(0));
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
    await expect(get(frame, 'format=webp')).rejects.toMatchObject({ code: 'invalid_image' });
  });

  it('can be made of a frame with exactly the allowed number of pixels', async () => {
    expect(await get(await putFrame(await plain(400, 250, 'red').png().toBuffer()), 'width=64')).toBeDefined();
  });

  it('is completed for the remaining callers when one of them disconnects', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const options = { width: 64, format: 'webp' } as const;
    const leaving = new AbortController();
    const gone = new Error('the caller is gone');
    const left = derived.get(frame, options, leaving.signal, 'anna');
    const stayed = derived.get(frame, options, signal, 'anna');
    leaving.abort(gone);
    await expect(left).rejects.toBe(gone);
    expect(await stayed).toMatchObject({ contentType: 'image/webp' });
  });

  it('is not made when all callers have disconnected, but is made for the next caller', async () => {
    const frame = await putFrame(await noise().png().toBuffer());
    const options = { width: 64, format: 'webp' } as const;
    const gone = new Error('the caller is gone');
    await expect(derived.get(frame, options, AbortSignal.abort(gone), 'anna')).rejects.toBe(gone);
    expect(await kept()).toEqual([]);
    expect(await derived.get(frame, options, signal, 'anna')).toMatchObject({ contentType: 'image/webp' });
  });

  it.each(['before it is stored', 'after it was looked for once more'])(
    'leaves nothing when its frame is deleted while it is made, %s',
    async (when) => {
      const frame = await putFrame(await noise().png().toBuffer());
      const options = { width: 64, format: 'webp' } as const;
      // Each side acts right before the step of the other side that it races with.
      const making = createDerived({
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
      const deleting = createDerived({
        frames: {
          ...frames,
          delete: async (name) => {
            await making.get(frame, options, signal, 'anna');
            await frames.delete(name);
          },
        },
        derived: store,
        ...LIMITS,
      });
      if (when === 'before it is stored') expect(await making.get(frame, options, signal, 'anna')).toBeUndefined();
      else await deleting.deleteFrame(frame);
      expect(await kept()).toEqual([]);
      expect(await frames.stat(frame)).toBeUndefined();
    },
  );
});
