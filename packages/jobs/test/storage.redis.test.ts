import { claimNext, pictureFile, until } from '@comfy-fleet/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { BYTES_PER_FILE, type Housekeeper, LEAST_FILE_BYTES } from '../src/index.js';
import { aFrame, type Fleet, nextClaim, openFleet, openLedger, POOL, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const DIGEST = 'ab'.repeat(32);
const FILE = {
  digest: DIGEST,
  name: `${DIGEST}.mp4`,
  kind: 'video',
  contentType: 'video/mp4',
  bytes: 100_000,
  filename: 'a "bytes":7.mp4',
} as const;

let fleet: Fleet;
let keeper: Housekeeper;
beforeEach(async () => {
  fleet = await openFleet();
  keeper = openHousekeeper(fleet);
});

/** An inventory: the bytes of each key, how many of them may be deleted, and how many files it has sent. */
const found = (most: number, keys: Record<string, readonly [bytes: number, evictable: number, files?: number]>) =>
  keeper.recordStorage({
    kinds: {},
    most,
    bytes: Object.values(keys).reduce((sum, [bytes]) => sum + bytes, 0),
    keys: new Map(
      Object.entries(keys).map(([key, [bytes, evictable, files = 1]]) => [key, { bytes, evictable, files }]),
    ),
  });
const use = (key: string) => fleet.ledger.storage.use(key);
const bytesOf = async (key: string) => (await use(key)).bytes;

describe('what a key has stored', () => {
  it('grows by the outputs of a job when it succeeds, and shrinks when the job is forgotten', async () => {
    const { record } = await fleet.submit({ key: 'a' });
    const claim = await nextClaim(await fleet.claims());
    const { id } = record;
    const outputs = [aFrame(id), { ...aFrame(id, 2), bytes: 100_000, kind: 'text' as const, text: '"bytes":5' }];
    await claim.finish({ status: 'succeeded', outputs });
    // The picture has fewer bytes than a file counts for.
    expect(await bytesOf('a')).toBe(LEAST_FILE_BYTES + 100_000);
    expect(await fleet.ledger.jobs.forget(id)).toBe(true);
    expect(await bytesOf('a')).toBe(0);
  });

  it('grows by the pictures that are made of outputs unless it is over its share, and shrinks with their job', async () => {
    const { storage, jobs } = fleet.ledger;
    const { record } = await fleet.submit({ key: 'a' });
    await (await nextClaim(await fleet.claims())).finish({ status: 'succeeded', outputs: [aFrame(record.id)] });
    await storage.derive(record.id, 20_000);
    await storage.derive(record.id, 10);
    const bytes = 20_000 + 2 * LEAST_FILE_BYTES;
    expect(await bytesOf('a')).toBe(bytes);
    await found(80_000, { a: [bytes, 0], b: [24_000, 0] });
    expect(await storage.derive(record.id, 100)).toMatchObject({ bytes, isOver: true });
    expect(await bytesOf('a')).toBe(bytes);
    expect(await jobs.forget(record.id)).toBe(true);
    expect(await bytesOf('a')).toBe(0);
    expect(await storage.derive(record.id, 100)).toMatchObject({ bytes: 0, isOver: false });
    expect(await bytesOf('')).toBe(0);
  });

  it('grows by the outputs of a failed job, which the job keeps', async () => {
    const { record } = await fleet.submit({ key: 'a' });
    const claim = await nextClaim(await fleet.claims());
    const error = { code: 'node_execution_error', detail: 'It failed.', nodeId: '5' } as const;
    const outputs = [aFrame(record.id)];
    expect(await claim.finish({ status: 'failed', error, outputs })).toBe('failed');
    expect((await fleet.ledger.jobs.get(record.id))?.record).toMatchObject({ status: 'failed', error, outputs });
    expect(await bytesOf('a')).toBe(LEAST_FILE_BYTES);
    await fleet.ledger.jobs.forget(record.id);
    expect(await bytesOf('a')).toBe(0);
  });

  it('counts each file that it sent once, and for every key that sent it', async () => {
    const { storage } = fleet.ledger;
    for (const key of ['a', 'a', 'b']) await storage.add(key, FILE);
    expect([await bytesOf('a'), await bytesOf('b'), await bytesOf('c')]).toEqual([100_000, 100_000, 0]);
    const [nobody, senders] = await keeper.sendersOf(['cd'.repeat(32), DIGEST]);
    expect([nobody, senders?.map(({ key }) => key).sort()]).toEqual([[], ['a', 'b']]);
  });

  it('shrinks when it deletes its last asset with the file, while that of other keys does not', async () => {
    const { assets, storage } = fleet.ledger;
    for (const key of ['a', 'b']) await storage.add(key, FILE);
    const own = await assets.keep('a', FILE);
    const other = await assets.keep('a', FILE, { path: 'x.mp4' });
    await assets.keep('b', FILE);
    await assets.delete('a', own.asset.id);
    expect(await bytesOf('a')).toBe(100_000);
    await assets.delete('a', other.asset.id);
    expect([await bytesOf('a'), await bytesOf('b')]).toEqual([0, 100_000]);
    expect(await keeper.sendersOf([DIGEST])).toEqual([[{ key: 'b', since: expect.any(Number) }]]);
  });

  it('is counted once when its asset is deleted between an upload and the new asset', async () => {
    const { assets, storage } = fleet.ledger;
    await storage.add('a', FILE);
    const first = await assets.keep('a', FILE);
    await storage.add('a', FILE);
    await assets.delete('a', first.asset.id);
    const second = await assets.keep('a', FILE);
    expect(await bytesOf('a')).toBe(100_000);
    await assets.delete('a', second.asset.id);
    expect(await bytesOf('a')).toBe(0);
  });

  it('shrinks when the housekeeping has retired the file or the job', async () => {
    await fleet.ledger.storage.add('a', FILE);
    expect(await keeper.retireInput(DIGEST, 0)).toBe(true);
    expect(await keeper.sendersOf([DIGEST])).toEqual([[]]);
    const { record } = await fleet.submit({ key: 'a' });
    expect(await keeper.keysOfJobs([record.id, 'gone'])).toEqual(['a', undefined]);
  });

  it('is what the housekeeping measured, plus what was added since', async () => {
    await fleet.ledger.storage.add('a', FILE);
    await found(10_000, { a: [300, 0], b: [500, 0] });
    expect([await bytesOf('a'), await bytesOf('b')]).toEqual([300, 500]);
    await fleet.ledger.storage.add('b', { ...FILE, digest: 'cd'.repeat(32) });
    expect(await bytesOf('b')).toBe(100_500);
    expect((await keeper.figures()).storage.stored).toEqual(
      expect.arrayContaining([
        { key: 'a', bytes: 300 },
        { key: 'b', bytes: 100_500 },
      ]),
    );
  });
});

it('says when a key has sent as many files as it may have', async () => {
  const { assets, storage } = await openLedger({
    url: fleet.url,
    prefix: fleet.keys.prefix,
    keyJobBytes: 2 * BYTES_PER_FILE,
  });
  const isFull = async () => (await storage.use('a')).hasTooManyFiles;
  const digests = ['0', '1', '2'].map((digit) => digit.repeat(64));
  await storage.add('a', { ...FILE, digest: digests[0] as string });
  await storage.add('a', { ...FILE, digest: digests[0] as string });
  await storage.add('b', { ...FILE, digest: digests[1] as string });
  expect(await isFull()).toBe(false);
  const { asset } = await assets.keep('a', { ...FILE, digest: digests[2] as string });
  expect(await isFull()).toBe(true);
  await assets.delete('a', asset.id);
  expect(await isFull()).toBe(false);
  await found(1e9, { a: [1000, 0, 2] });
  expect(await isFull()).toBe(true);
});

it('keeps the time when a key first sent a file, however often it sends or uses it', async () => {
  const { assets, storage } = fleet.ledger;
  await storage.add('a', FILE);
  const [[first] = []] = await keeper.sendersOf([DIGEST]);
  const later = Number(first?.since) + 1;
  await until('the clock has moved on', () => Date.now() > later);
  await storage.add('a', FILE);
  await assets.use('a', (await assets.keep('a', FILE)).asset.id);
  expect(await keeper.sendersOf([DIGEST])).toEqual([[first]]);
});

it('retires a recently used file for its space, but not while an open job starts from it', async () => {
  const { assets } = fleet.ledger;
  await assets.keep('a', FILE, { lifeMs: 3_600_000 });
  expect(await keeper.retireInput(DIGEST, 0)).toBe(false);
  await fleet.submit({ key: 'a', kind: 'img2img', request: { image: pictureFile(DIGEST) } });
  expect(await keeper.retireInput(DIGEST)).toBe(false);
  const claim = await nextClaim(await fleet.claims());
  await claim.finish({ status: 'canceled' });
  expect(await keeper.retireInput(DIGEST)).toBe(true);
});

describe('the share of a key', () => {
  it('is unknown, and no key exceeds it, until the housekeeping has measured the store', async () => {
    await fleet.ledger.storage.add('a', { ...FILE, bytes: 1e15 });
    expect(await use('a')).toMatchObject({ bytes: 1e15, shareBytes: null, isOver: false });
  });

  it('is everything for a single key, and equal for all keys that have files', async () => {
    await found(1000, { a: [100, 0] });
    expect((await use('a')).shareBytes).toBe(1000);
    await fleet.ledger.storage.add('b', FILE);
    expect([(await use('a')).shareBytes, (await use('b')).shareBytes]).toEqual([500, 500]);
  });

  it('goes back to the others when the last of its files is deleted', async () => {
    await found(1000, { b: [100, 0] });
    const { record } = await fleet.submit({ key: 'a' });
    const claim = await nextClaim(await fleet.claims());
    await claim.finish({ status: 'succeeded', outputs: [aFrame(record.id)] });
    expect((await use('b')).shareBytes).toBe(500);
    await fleet.ledger.jobs.forget(record.id);
    expect((await use('b')).shareBytes).toBe(1000);
  });

  it.each([
    ['may be exceeded while the storage is less than nine tenths full', { a: [800, 0], b: [99, 0] }, 'a', false],
    ['is exceeded before the storage is full', { a: [800, 0], b: [100, 0] }, 'a', true],
    ['is exceeded in full storage by what cannot be deleted', { a: [900, 0], b: [100, 0] }, 'a', true],
    ['is filled by as much', { a: [500, 0], b: [500, 0] }, 'a', true],
    ['is not exceeded by what may be deleted', { a: [900, 401], b: [100, 0] }, 'a', false],
    ['is left to a key that has less', { a: [900, 0], b: [100, 0] }, 'b', false],
    ['is left to a key that has nothing', { a: [900, 0], b: [100, 0] }, 'c', false],
    ['is exceeded by a key alone that fills everything', { a: [1000, 0] }, 'a', true],
  ] as const)('%s', async (_rule, keys, key, isOver) => {
    await found(1000, keys);
    expect((await use(key)).isOver).toBe(isOver);
  });

  it('is what the outputs of a job fit or do not, beside the files that cannot be deleted', async () => {
    const worker = fleet.worker();
    const fits = (bytes: number) => worker.fitsShare('a', bytes);
    expect(await fits(1e15)).toBe(true); // nothing is measured yet
    await found(1000, { a: [300, 100], b: [100, 0] });
    expect([await fits(300), await fits(301)]).toEqual([true, false]);
  });
});

describe('a job of a key whose files fill its share', () => {
  it('waits, and says so, while jobs of other keys are claimed, and continues later', async () => {
    await found(1000, { a: [900, 0], b: [100, 0] });
    const held = await fleet.submit({ key: 'a' });
    const other = await fleet.submit({ key: 'b' });
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    expect(claim.record.id).toBe(other.record.id);
    expect(await claimNext(source)).toBeUndefined();
    expect(await fleet.ledger.jobs.get(held.record.id)).toMatchObject({ isOverStorage: true, isHeldBack: false });
    expect(await fleet.ledger.jobs.get(other.record.id)).toMatchObject({ isOverStorage: false });

    await keeper.sweep();
    expect(await claimNext(source)).toBeUndefined();
    await found(1000, { a: [500, 100], b: [100, 0] });
    await keeper.sweep();
    const next = await until('the job is claimed', () => claimNext(source));
    expect(next.record.id).toBe(held.record.id);
    await claim.finish(succeeded(other.record.id));
  });

  it('ends as usual if it is already in work', async () => {
    const { record } = await fleet.submit({ key: 'a' });
    const claim = await nextClaim(await fleet.claims());
    await found(1000, { a: [1000, 0] });
    expect(await claim.finish(succeeded(record.id))).toBe('succeeded');
  });

  it('is not resumed by a sweep if its key is at its limit of jobs in work', async () => {
    const source = await fleet.claims();
    await fleet.submit({ key: 'a', mostTaken: 1 });
    await fleet.submit({ key: 'a', mostTaken: 1 });
    await nextClaim(source);
    expect(await claimNext(source)).toBeUndefined();
    await keeper.sweep();
    expect(await fleet.redis.smembers(fleet.keys.keysAtLimit(POOL))).toEqual(['a']);
  });
});
