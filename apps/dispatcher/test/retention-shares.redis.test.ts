import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '@comfy-fleet/config';
import { newId } from '@comfy-fleet/contracts';
import { frameName, inputName } from '@comfy-fleet/frames';
import { BYTES_PER_FILE } from '@comfy-fleet/jobs';
import { describe, expect, it } from 'vitest';
import { type Retention, retain } from '../src/housekeeping/retention.js';
import { DAY, HOUR, openHousehold } from './household.js';

const sha = (letter: string) => letter.repeat(64);

const assetOf = (digest: string) =>
  ({ digest, name: inputName(digest), kind: 'image', contentType: 'image/png', bytes: 200_000 }) as const;

/** As if all files had been sent two hours ago. */
function sentLongAgo(home: Awaited<ReturnType<typeof openHousehold>>, limits: Partial<Config['retention']>): Retention {
  const since = Date.now() - 2 * HOUR * 1000;
  const sendersOf: typeof home.keeper.sendersOf = async (digests) =>
    (await home.keeper.sendersOf(digests)).map((senders) => senders?.map(({ key }) => ({ key, since })));
  return { ...home.retention(limits), keeper: { ...home.keeper, sendersOf } };
}

describe('retention with several keys', () => {
  it('deletes no old files of a key within its share when another key uploads', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(5 * DAY, { key: 'anna' }), await home.ended(4 * DAY, { key: 'anna' })];
    const sent = await home.put('inputs', inputName(sha('f')), 3 * DAY, 200_000, 'anna');
    for (const letter of '0123456789ab') {
      await home.put('inputs', inputName(sha(letter)), 2 * HOUR, 200_000, 'ben');
    }
    await retain(home.retention({ framesMaxBytes: 1_200_000 }));
    expect(await home.existing(jobs)).toEqual(jobs);
    const files = await home.files();
    expect(files).toContain(`inputs/${sent}`);
    expect(files).toHaveLength(6);
  });

  it('records the storage of each key, so that a key is refused when its recent files fill its share', async () => {
    const home = await openHousehold();
    await home.ended(2 * DAY, { key: 'anna' });
    for (const letter of 'abcdef') await home.put('inputs', inputName(sha(letter)), 600, 200_000, 'ben');
    await home.put('inputs', inputName(sha('0')), 2 * DAY, 100_000, 'carl');
    await home.put('derived', `${newId()}_1_w64.png`, 2 * HOUR, 100_000);
    await retain(home.retention({ framesMaxBytes: 1_200_000 }));
    const { storage } = home.ledger;
    expect(await storage.use('anna')).toMatchObject({ bytes: 200_000, shareBytes: 400_000, isOver: false });
    expect(await storage.use('ben')).toMatchObject({ bytes: 1_200_000, shareBytes: 400_000, isOver: true });
    expect(await storage.use('carl')).toMatchObject({ bytes: 100_000, shareBytes: 400_000, isOver: false });
  });

  it('deletes the oldest files of a key that sent too many, so that it can send more', async () => {
    const home = await openHousehold();
    const files = [];
    for (const letter of 'fedcba') files.push(await home.put('inputs', inputName(sha(letter)), 2 * HOUR, 100, 'ben'));
    for (const [n, name] of files.entries()) {
      const time = new Date(Date.now() - (9 - n) * HOUR * 1000);
      await utimes(join(home.dir, 'inputs', name), time, time);
    }
    const other = await home.put('inputs', inputName(sha('0')), 2 * DAY, 100, 'anna');
    await retain(sentLongAgo(home, { jobBytesPerKey: 4 * BYTES_PER_FILE }));
    expect(await home.files()).toEqual([other, ...files.slice(3).reverse()].map((name) => `inputs/${name}`));
  });

  it('divides the available disk space if it is less than FRAMES_MAX_BYTES', async () => {
    const home = await openHousehold();
    const GIB = 1024 ** 3;
    const [anna, ben] = [await home.ended(2 * DAY, { key: 'anna' }), await home.ended(DAY, { key: 'ben', bytes: GIB })];
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) + GIB / 2 }));
    expect(await home.existing([anna, ben])).toEqual([anna]);
  });

  it("deletes files beyond a key's share even if they are used repeatedly, but none that an open job needs", async () => {
    const home = await openHousehold();
    const [used, open, other] = [sha('a'), sha('b'), sha('c')].map((digest) => inputName(digest)) as [
      string,
      string,
      string,
    ];
    for (const name of [used, open]) await home.put('inputs', name, 2 * HOUR, 200_000, 'ben');
    await home.put('inputs', other, 3 * HOUR, 200_000, 'anna');
    await home.create(sha('b'));
    const tenMinutesAgo = new Date(Date.now() - 600_000);
    // Like an order that names the file.
    await home.ledger.assets.keep('ben', { ...assetOf(sha('a')), filename: null });
    await utimes(join(home.dir, 'inputs', used), tenMinutesAgo, tenMinutesAgo);
    await retain(sentLongAgo(home, { framesMaxBytes: 400_000 }));
    expect(await home.files()).toEqual([`inputs/${open}`, `inputs/${other}`]);
  });

  it('first deletes pictures of jobs without records', async () => {
    const home = await openHousehold();
    const kept = await home.ended(3 * DAY, { key: 'anna' });
    const gone = await home.put('frames', frameName(newId(), 1), DAY);
    await retain(home.retention({ framesMaxBytes: 200_000 }));
    expect(await home.existing([kept])).toEqual([kept]);
    expect(await home.files()).not.toContain(gone);
  });
});

describe('retention by free disk space', () => {
  const HUGE = 100e9;

  it('deletes the oldest files until enough space is free', async () => {
    const home = await openHousehold();
    const jobs = [];
    for (const days of [5, 4, 3, 2]) jobs.push(await home.ended(days * DAY, { bytes: HUGE }));
    // One and a half jobs too few bytes are free; other writers on this disk add less than half a job meanwhile.
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) + 1.5 * HUGE }));
    expect(await home.existing(jobs)).toEqual(jobs.slice(2));
    expect(await home.files()).toEqual(
      jobs
        .slice(2)
        .map((id) => `${id}_1.png`)
        .sort(),
    );
  });

  it('deletes them before too little is free, since orders are refused from then on', async () => {
    const home = await openHousehold();
    const jobs = [];
    for (let days = 10; days > 0; days -= 1) jobs.push(await home.ended(days * DAY, { bytes: 1e9 }));
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) - 0.3e9 }));
    expect(await home.existing(jobs)).toEqual(jobs.slice(1));
  });

  it('deletes files of a key beyond its share that are older than a minute, so that other keys can store files', async () => {
    const home = await openHousehold();
    const old = await home.ended(120, { key: 'ben', bytes: HUGE });
    const young = await home.ended(1, { key: 'ben', bytes: HUGE });
    const other = await home.ended(120, { key: 'anna' });
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) + 0.5 * HUGE }));
    expect(await home.existing([old, young, other])).toEqual([young, other]);
  });

  it('deletes nothing younger than an hour', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(2 * HOUR), await home.ended(0.9 * HOUR)];
    await home.put('inputs', inputName(sha('a')), 0.5 * HOUR);
    await home.put('inputs', inputName(sha('b')), 3 * HOUR);
    await retain(home.retention({ minFreeBytes: Number.MAX_SAFE_INTEGER }));
    expect(await home.files()).toEqual([`${jobs[1]}_1.png`, `inputs/${inputName(sha('a'))}`]);
  });

  it('deletes nothing if enough space is free', async () => {
    const home = await openHousehold();
    await home.ended(2 * DAY);
    await retain(home.retention({ minFreeBytes: 1 }));
    expect(await home.files()).toHaveLength(1);
  });
});
