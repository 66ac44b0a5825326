import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FrameStore, frameName, type StoredFrame } from '../src/index.js';

/** Storage for one test. */
export interface Place {
  /** Opens a store of this place, as another process would. */
  open(owner: string): FrameStore;
  /** The names of all files, including half-written ones. */
  contents(): Promise<readonly string[]>;
  /** Sets the time of a file. */
  age(name: string, time: Date): Promise<void>;
  /** Makes all further operations fail. */
  ruin(): Promise<void>;
  /** Texts that errors must not contain. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

export const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

export async function read(stream: Readable | undefined): Promise<Buffer | undefined> {
  return stream === undefined ? undefined : buffer(stream);
}

/** Splits data into pieces of 16 KB, as sockets deliver it. */
export async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += 16_384) yield data.subarray(at, at + 16_384);
}

const { signal } = new AbortController();
const OLD = new Date('2026-01-01T00:00:00Z');
const BAD_NAMES = ['../out.png', 'a/b.png', '/etc/passwd', '.hidden.png', 'folder', 'a.png\0', '..', '.', ''];
/** More than a store may keep in memory, and not a multiple of the length of a part. */
const LARGE = 20_000_001;
/** A length of more than one part. */
const PARTS = 9_000_001;

/** Tests that every FrameStore must pass. Races are tried `rounds` times. */
export function frameStoreContract(kind: string, openPlace: () => Promise<Place>, rounds: number): void {
  let place: Place;
  let frames: FrameStore;
  let name: string;

  beforeEach(async () => {
    place = await openPlace();
    frames = place.open('gpu-1');
    name = frameName(newId(), 1);
  });
  afterEach(() => place.close());

  async function putOld(file = name, content = 'picture'): Promise<void> {
    await frames.put(file, [Buffer.from(content)], { signal });
    await place.age(file, OLD);
  }

  async function listed(): Promise<StoredFrame[]> {
    const found: StoredFrame[] = [];
    for await (const frame of frames.list()) found.push(frame);
    return found.sort((a, b) => a.name.localeCompare(b.name));
  }

  describe(`put (${kind})`, () => {
    it.each([0, 1, 300_000, LARGE])('stores a stream of %i bytes and returns its size and digest', async (bytes) => {
      const data = randomBytes(bytes);
      expect(await frames.put(name, pieces(data), { signal })).toEqual({ bytes, sha256: sha256(data) });
      expect(await place.contents()).toEqual([name]);
      const other = place.open('api');
      expect(await other.stat(name)).toMatchObject({ bytes, sha256: sha256(data) });
      expect((await read(await other.open(name)))?.equals(data)).toBe(true);
    });

    it.each([0, 300_000, LARGE])('calls the name function after it has read all of %i bytes', async (bytes) => {
      const data = randomBytes(bytes);
      let seen = 0;
      async function* counted() {
        for await (const piece of pieces(data)) {
          seen += piece.length;
          yield piece;
        }
      }
      const name = async () => `${seen}.bin`;
      expect(await frames.put(name, counted(), { signal })).toEqual({ bytes, sha256: sha256(data) });
      expect(await place.contents()).toEqual([`${bytes}.bin`]);
      expect((await read(await frames.open(`${bytes}.bin`)))?.equals(data)).toBe(true);
    });

    it.each([1000, LARGE])('stores nothing of %i bytes when the name function throws', async (bytes) => {
      const refused = new Error('not wanted');
      const name = () => Promise.reject(refused);
      await expect(frames.put(name, pieces(randomBytes(bytes)), { signal })).rejects.toBe(refused);
      expect(await place.contents()).toEqual([]);
    });

    it('stores content that arrives in one piece', async () => {
      const data = randomBytes(LARGE);
      expect(await frames.put(name, [data], { signal })).toEqual({ bytes: LARGE, sha256: sha256(data) });
      expect((await read(await frames.open(name)))?.equals(data)).toBe(true);
    });

    it.each([100_000, PARTS])(
      'keeps the old content and throws the error of a source that fails after %i bytes',
      async (bytes) => {
        await frames.put(name, [Buffer.from('old')], { signal });
        const broken = new Error('the download broke off');
        async function* source() {
          yield* pieces(randomBytes(bytes));
          throw broken;
        }
        await expect(frames.put(name, source(), { signal })).rejects.toBe(broken);
        expect(await place.contents()).toEqual([name]);
        expect(await read(await frames.open(name))).toEqual(Buffer.from('old'));
      },
    );

    it.each([100_000, PARTS])(
      'leaves nothing and throws the reason when it is aborted after %i bytes',
      async (bytes) => {
        const abort = new AbortController();
        const reason = new Error('canceled');
        async function* source() {
          yield* pieces(randomBytes(bytes));
          abort.abort(reason);
          yield randomBytes(100_000);
        }
        await expect(frames.put(name, source(), { signal: abort.signal })).rejects.toBe(reason);
        expect(await place.contents()).toEqual([]);
      },
    );

    it('stores nothing when it was aborted before the call', async () => {
      const reason = new Error('canceled');
      const late = AbortSignal.abort(reason);
      await expect(frames.put(name, [Buffer.from('x')], { signal: late })).rejects.toBe(reason);
      expect(await place.contents()).toEqual([]);
    });

    it('never mixes contents when the same name is stored several times at once', async () => {
      const contents = [400_000, 500_000, 600_000, PARTS].map((bytes) => randomBytes(bytes));
      const results = await Promise.all(contents.map((data) => frames.put(name, pieces(data), { signal })));
      expect(results.map((result) => result.sha256)).toEqual(contents.map(sha256));
      expect(await place.contents()).toEqual([name]);
      const there = sha256((await read(await frames.open(name))) ?? Buffer.of());
      expect(contents.map(sha256)).toContain(there);
      expect((await place.open('api').stat(name))?.sha256).toBe(there);
    });

    it.each(BAD_NAMES)('refuses the name %j', async (bad) => {
      await expect(frames.put(bad, [Buffer.from('x')], { signal })).rejects.toMatchObject({ code: 'internal_error' });
      expect(await place.contents()).toEqual([]);
    });

    it('throws storage_failed without revealing the place when that does not work', async () => {
      await place.ruin();
      const error = await frames.put(name, [Buffer.from('x')], { signal }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(FleetError);
      expect(error).toMatchObject({ code: 'storage_failed' });
      for (const secret of place.secrets) expect((error as FleetError).detail).not.toContain(secret);
    });
  });

  describe(`stat, open and delete (${kind})`, () => {
    it('stat returns size, time and digest, and new ones after the name was stored again', async () => {
      await frames.put(name, [Buffer.from('first')], { signal });
      const first = await frames.stat(name);
      expect(first).toEqual({ bytes: 5, modifiedAt: expect.any(Date), sha256: sha256(Buffer.from('first')) });
      expect(Math.abs((first?.modifiedAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
      await frames.put(name, [Buffer.from('other')], { signal });
      expect((await frames.stat(name))?.sha256).toBe(sha256(Buffer.from('other')));
    });

    it('open returns a range with both ends included', async () => {
      await frames.put(name, [Buffer.from('0123456789')], { signal });
      expect(await read(await frames.open(name, { start: 2, end: 4 }))).toEqual(Buffer.from('234'));
      expect(await read(await frames.open(name, { start: 9, end: 9 }))).toEqual(Buffer.from('9'));
      expect(await read(await frames.open(name, { start: 0, end: 9 }))).toEqual(Buffer.from('0123456789'));
    });

    it('does not find a deleted file, and deleting it again does not fail', async () => {
      await frames.put(name, [Buffer.from('x')], { signal });
      await frames.delete(name);
      expect(await frames.stat(name)).toBeUndefined();
      expect(await frames.open(name)).toBeUndefined();
      await expect(frames.delete(name)).resolves.toBeUndefined();
      expect(await place.contents()).toEqual([]);
    });

    it('lets a reader stop half way', async () => {
      await frames.put(name, [randomBytes(PARTS)], { signal });
      const stream = await frames.open(name);
      for await (const chunk of stream ?? []) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect(stream?.destroyed).toBe(true);
    });

    it.each(BAD_NAMES)('finds nothing under the name %j and removes nothing', async (bad) => {
      await frames.put(name, [Buffer.from('x')], { signal });
      expect(await frames.stat(bad)).toBeUndefined();
      expect(await frames.open(bad)).toBeUndefined();
      await frames.delete(bad);
      expect(await place.contents()).toEqual([name]);
    });
  });

  describe(`list (${kind})`, () => {
    it('returns name, size and time of every file', async () => {
      const other = frameName(newId(), 2);
      await putOld();
      await putOld(other, 'another');
      const both = [name, other].sort((a, b) => a.localeCompare(b));
      expect(await listed()).toEqual(both.map((file) => ({ name: file, bytes: 7, modifiedAt: OLD })));
    });

    it('is empty when nothing is stored', async () => {
      expect(await listed()).toEqual([]);
    });

    it('can be stopped half way', async () => {
      for (const n of [1, 2, 3]) await putOld(frameName(newId(), n));
      for await (const frame of frames.list()) {
        expect(frame.bytes).toBe(7);
        break;
      }
      expect(await listed()).toHaveLength(3);
    });
  });

  describe(`touch and deleteUnchanged (${kind})`, () => {
    it('deletes a file whose time is unchanged, once', async () => {
      await putOld();
      expect(await frames.deleteUnchanged(name, OLD)).toBe(true);
      expect(await place.contents()).toEqual([]);
      expect(await frames.deleteUnchanged(name, OLD)).toBe(false);
    });

    it('keeps a file that was touched since, with its content and digest', async () => {
      await putOld();
      const before = await frames.stat(name);
      expect(await frames.touch(name)).toBe(true);
      expect(await frames.deleteUnchanged(name, OLD)).toBe(false);
      expect(await place.contents()).toEqual([name]);
      expect(await read(await frames.open(name))).toEqual(Buffer.from('picture'));
      expect(await place.open('api').stat(name)).toEqual({ ...before, modifiedAt: expect.any(Date) });
      expect((await listed())[0]?.modifiedAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
    });

    it('keeps a file that was stored again since', async () => {
      await putOld();
      await frames.put(name, [Buffer.from('again')], { signal });
      expect(await frames.deleteUnchanged(name, OLD)).toBe(false);
      expect(await read(await frames.open(name))).toEqual(Buffer.from('again'));
    });

    it('touch returns false when the file is gone', async () => {
      await putOld();
      await frames.delete(name);
      expect(await frames.touch(name)).toBe(false);
      expect(await frames.touch('../secret.txt')).toBe(false);
      expect(await place.contents()).toEqual([]);
    });

    it('touch either keeps the file or returns false, in every race with deletions', async () => {
      const other = place.open('gpu-2');
      for (let round = 0; round < rounds; round++) {
        await putOld();
        const [touched, ...deleted] = await Promise.all([
          frames.touch(name),
          frames.deleteUnchanged(name, OLD),
          other.deleteUnchanged(name, OLD),
        ]);
        const there = (await other.stat(name)) !== undefined;
        expect({ touched, someoneDeleted: deleted.includes(true) || there }).toEqual({
          touched: there,
          someoneDeleted: true,
        });
      }
      await frames.delete(name);
      expect(await place.contents()).toEqual([]);
    });
  });
}
