import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, frameName, inputName } from '@comfy-fleet/frames';
import { describe, expect, it } from 'vitest';
import { retain } from '../src/housekeeping/retention.js';
import { DAY, HOUR, openHousehold } from './household.js';

const sha = (letter: string) => letter.repeat(64);

const assetOf = (digest: string) =>
  ({ digest, name: inputName(digest), kind: 'image', contentType: 'image/png', bytes: 1000 }) as const;

describe('by age', () => {
  it('deletes pictures older than allowed, with their job and all that was derived from them, and says what', async () => {
    const home = await openHousehold();
    const old = await home.ended(8 * DAY, { pictures: 3 });
    const young = await home.ended(6 * DAY);
    await home.put('derived', `${old}_1_w512.webp`, HOUR, 100);
    await home.put('derived', `${young}_1_w512.webp`, HOUR, 100);
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual([`${young}_1.png`, `derived/${young}_1_w512.webp`].sort());
    expect(await home.existing([old, young])).toEqual([young]);
    expect(home.lines).toEqual([
      expect.objectContaining({
        level: 'info',
        message: 'deleted old pictures',
        jobs: 1,
        pictures: 3,
        derived: 1,
        inputs: 0,
        bytes: 3100,
      }),
    ]);
  });

  it('says nothing when there was nothing to delete, also the second time', async () => {
    const home = await openHousehold();
    await home.ended(DAY);
    await home.put('inputs', inputName(sha('a')), DAY);
    const before = await home.files();
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual(before);
    await retain(home.retention({ framesMaxAgeSeconds: HOUR }));
    expect(home.lines).toHaveLength(1);
    await retain(home.retention({ framesMaxAgeSeconds: HOUR }));
    expect(home.lines).toHaveLength(1);
    expect(await home.files()).toEqual([]);
  });

  it('deletes old pictures whose record is gone, as a crash after the record leaves them', async () => {
    const home = await openHousehold();
    const id = await home.ended(8 * DAY);
    expect(await home.keeper.forget(id)).toBe('forgotten');
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual([]);
  });

  it('keeps a job of which one picture is younger', async () => {
    const home = await openHousehold();
    const id = await home.ended(8 * DAY, { pictures: 2 });
    await home.put('frames', frameName(id, 2), 6 * DAY);
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual([`${id}_1.png`, `${id}_2.png`]);
    expect(await home.existing([id])).toEqual([id]);
  });

  it('keeps the pictures of jobs that have not ended, however old', async () => {
    const home = await openHousehold();
    const ids = [await home.create(), await home.create()];
    await home.claim(); // one held, one waiting
    for (const id of ids) await home.put('frames', frameName(id, 1), 30 * DAY);
    await retain(
      home.retention({ framesMaxAgeSeconds: HOUR, framesMaxBytes: 0, minFreeBytes: Number.MAX_SAFE_INTEGER }),
    );
    expect(await home.files()).toEqual(ids.map((id) => `${id}_1.png`).sort());
    expect(await home.existing(ids)).toEqual(ids);
  });

  it('deletes old inputs, and keeps those that open jobs start from', async () => {
    const home = await openHousehold();
    for (const letter of ['a', 'b', 'c', 'd']) await home.put('inputs', inputName(sha(letter)), 8 * DAY);
    await home.put('inputs', inputName(sha('e')), DAY);
    await home.create(sha('a'));
    await home.finish(await home.claim());
    await home.create(sha('b'));
    await home.claim();
    await home.create(sha('c'));
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual(['b', 'c', 'e'].map((letter) => `inputs/${inputName(sha(letter))}`));
  });

  it('keeps an old input that somebody took up again after it was looked at', async () => {
    const home = await openHousehold();
    const name = await home.put('inputs', inputName(sha('a')), 8 * DAY);
    // The request comes between the look for jobs and the deletion: its job is not among those seen.
    const keeper = {
      ...home.keeper,
      inputsInUse: async () => {
        const seen = await home.keeper.inputsInUse();
        expect(await home.inputs.touch(name)).toBe(true);
        await home.create(sha('a'));
        return seen;
      },
    };
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }, { keeper }));
    expect(await home.files()).toEqual([`inputs/${name}`]);
    expect(home.lines).toEqual([]);
  });

  it('leaves alone what is not named as ours, half-written files of a day, and folders', async () => {
    const home = await openHousehold();
    await home.ended(8 * DAY);
    const [foreign, recent, abandoned] = ['notes.txt', '.api-pod-3000.0123456789abcdef.tmp', '.x.fedcba9876543210.tmp'];
    for (const name of [foreign, recent, abandoned] as string[]) {
      await home.writeFile(name, 'x');
      const age = name === recent ? 23 * HOUR : 25 * HOUR;
      const time = new Date(Date.now() - age * 1000);
      await utimes(join(home.dir, name), time, time);
    }
    await retain(home.retention({ framesMaxAgeSeconds: HOUR }));
    expect(await home.files()).toEqual([recent, foreign].sort());
    expect(home.lines[0]).toMatchObject({ pictures: 1, half_written: 1 });
  });

  it('deletes what was derived from pictures that are gone, unless it was made just now', async () => {
    const home = await openHousehold();
    const [gone, justMade] = [newId(), newId()];
    await home.put('derived', `${gone}_1_w64.png`, 120);
    await home.put('derived', `${justMade}_1_w64.png`, 0);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`derived/${justMade}_1_w64.png`]);
  });

  it('goes on with the others when one cannot be deleted, and says so', async () => {
    const home = await openHousehold();
    const [stuck, loose] = [await home.ended(9 * DAY), await home.ended(8 * DAY)];
    await home.put('derived', `${stuck}_1_w64.png`, HOUR);
    await home.writeFile('a file where the folder should be', '');
    const broken = createFileFrames({ dir: join(home.dir, 'a file where the folder should be'), owner: 'test' });
    await retain(
      home.retention({ framesMaxAgeSeconds: 7 * DAY }, { derived: { ...home.derived, delete: broken.delete } }),
    );
    const files = await home.files();
    expect(files).toContain(`${stuck}_1.png`);
    expect(files).not.toContain(`${loose}_1.png`);
    expect(home.lines).toEqual([
      expect.objectContaining({ level: 'info', pictures: 1 }),
      expect.objectContaining({ level: 'warn', message: 'old pictures could not be deleted', count: 1 }),
    ]);
    // Its record is gone already: once the disk works again the files go, too.
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual(['a file where the folder should be']);
  });
});

describe('of assets', () => {
  const digest = sha('f');
  const file = {
    digest,
    name: inputName(digest, 'mp4'),
    kind: 'video',
    contentType: 'video/mp4',
    bytes: 1000,
  } as const;

  it('deletes a file that was not used for its time, and the assets that had it, and no other', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    const { asset } = await assets.keep('a', { ...file, filename: null });
    await home.put('inputs', file.name, 3 * DAY);
    const picture = await home.put('inputs', inputName(sha('a')), DAY);
    const old = home.retention({ inputsMaxAgeSeconds: 2 * DAY });
    await retain(old); // its record says that it was used just now
    expect(await home.files()).toContain(`inputs/${file.name}`);
    const keeper = { ...home.keeper, retireInput: (which: typeof file) => home.keeper.retireInput(which, 0) };
    await retain({ ...old, keeper: keeper as typeof home.keeper });
    expect(await home.files()).toEqual([`inputs/${picture}`]);
    expect(await assets.get('a', asset.id)).toBeUndefined();
  });

  it('deletes a file soon that nobody has as an asset any more, unless an open job starts from it', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    await home.put('inputs', file.name, 120);
    await assets.delete('a', (await assets.keep('a', { ...file, filename: null })).asset.id);
    await home.create(digest);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`inputs/${file.name}`]);
    await home.finish(await home.claim());
    await retain(home.retention({}));
    expect(await home.files()).toEqual([]);
    expect(await home.keeper.unowned()).toEqual([]);
  });

  it('leaves such a file for a minute: an order may be about to use it', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    await home.put('inputs', file.name, 30);
    await assets.delete('a', (await assets.keep('a', { ...file, filename: null })).asset.id);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`inputs/${file.name}`]);
  });
});

describe('by size', () => {
  it('deletes the oldest until the rest of all three kinds fits', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(5 * DAY), await home.ended(3 * DAY), await home.ended(1 * DAY)];
    await home.put('inputs', inputName(sha('a')), 4 * DAY);
    await home.put('inputs', inputName(sha('b')), 2 * DAY);
    await home.put('derived', `${jobs[2]}_1_w64.png`, HOUR);
    await retain(home.retention({ framesMaxBytes: 3000 }));
    // 6,000 bytes: the job of 5 days, the input of 4, the job of 3 go.
    expect(await home.files()).toEqual(
      [`${jobs[2]}_1.png`, `derived/${jobs[2]}_1_w64.png`, `inputs/${inputName(sha('b'))}`].sort(),
    );
    expect(await home.existing(jobs)).toEqual([jobs[2]]);
  });

  it('deletes nothing when all fits exactly', async () => {
    const home = await openHousehold();
    await home.ended(5 * DAY);
    await home.ended(3 * DAY);
    await retain(home.retention({ framesMaxBytes: 2000 }));
    expect(await home.files()).toHaveLength(2);
  });

  it('passes over open jobs and deletes younger ones in their place, but nothing of the last hour, and says so', async () => {
    const home = await openHousehold();
    const open = await home.create();
    const held = await home.claim();
    await home.put('frames', frameName(open, 1), 5 * DAY);
    const [old, now] = [await home.ended(1.1 * HOUR), await home.ended(0.9 * HOUR)];
    await retain(home.retention({ framesMaxBytes: 1000 }));
    expect(await home.files()).toEqual([`${open}_1.png`, `${now}_1.png`].sort());
    expect(await home.existing([open, old, now])).toEqual([open, now]);
    expect(home.lines).toEqual([expect.objectContaining({ message: 'deleted old pictures' })]);
    await home.finish(held);
    await retain(home.retention({ framesMaxBytes: 999 }));
    expect(await home.files()).toEqual([`${now}_1.png`]);
    expect(home.lines.slice(1)).toEqual([
      expect.objectContaining({ level: 'warn', bytes: 1000, most: 999, message: expect.stringContaining('last hour') }),
      expect.objectContaining({ message: 'deleted old pictures' }),
    ]);
  });

  it('copes with thousands of pictures', async () => {
    const home = await openHousehold();
    const names = Array.from({ length: 2000 }, () => frameName(newId(), 1));
    await home.ended(DAY);
    await Promise.all(
      names.map(async (name, n) => {
        await home.writeFile(name, '12345');
        await utimes(join(home.dir, name), 1_700_000_000 + n, 1_700_000_000 + n);
      }),
    );
    await retain(home.retention({ framesMaxBytes: 1000 + 5 * 100 }));
    expect((await home.files()).filter((name) => names.includes(name))).toEqual(names.slice(-100).sort());
    expect(await home.files()).toHaveLength(101);
  });
});

describe('of several keys', () => {
  it('deletes nothing of a key within its share for 12 uploads of another, however old it is', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(5 * DAY, { key: 'anna' }), await home.ended(4 * DAY, { key: 'anna' })];
    const sent = await home.put('inputs', inputName(sha('f')), 3 * DAY, 1000, 'anna');
    for (const letter of '0123456789ab') {
      await home.put('inputs', inputName(sha(letter)), 2 * HOUR, 1000, 'ben');
    }
    await retain(home.retention({ framesMaxBytes: 6000 }));
    expect(await home.existing(jobs)).toEqual(jobs);
    const files = await home.files();
    expect(files).toContain(`inputs/${sent}`);
    expect(files).toHaveLength(6);
  });

  it('notes what each has, so that a key is refused whose files of the last hour fill its share', async () => {
    const home = await openHousehold();
    await home.ended(2 * DAY, { key: 'anna' });
    for (const letter of 'abcdef') await home.put('inputs', inputName(sha(letter)), 600, 1000, 'ben');
    await home.put('inputs', inputName(sha('0')), 2 * DAY, 500, 'carl');
    await home.put('derived', `${newId()}_1_w64.png`, 2 * HOUR, 500);
    await retain(home.retention({ framesMaxBytes: 6000 }));
    const { storage } = home.ledger;
    expect(await storage.use('anna')).toEqual({ bytes: 1000, shareBytes: 2000, isOver: false });
    expect(await storage.use('ben')).toEqual({ bytes: 6000, shareBytes: 2000, isOver: true });
    expect(await storage.use('carl')).toEqual({ bytes: 500, shareBytes: 2000, isOver: false });
  });

  it('divides the disk space that there is, where that is less than FRAMES_MAX_BYTES', async () => {
    const home = await openHousehold();
    const GIB = 1024 ** 3;
    const [anna, ben] = [await home.ended(2 * DAY, { key: 'anna' }), await home.ended(DAY, { key: 'ben', bytes: GIB })];
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) + GIB / 2 }));
    expect(await home.existing([anna, ben])).toEqual([anna]);
  });

  it('deletes files beyond the share of a key though it uses them again and again, but none that an open job needs', async () => {
    const home = await openHousehold();
    const [used, open, other] = [sha('a'), sha('b'), sha('c')].map((digest) => inputName(digest)) as [
      string,
      string,
      string,
    ];
    for (const name of [used, open]) await home.put('inputs', name, 2 * HOUR, 1000, 'ben');
    await home.put('inputs', other, 3 * HOUR, 1000, 'anna');
    await home.create(sha('b'));
    const tenMinutesAgo = new Date(Date.now() - 600_000);
    // As its sender leaves it who names it in an order.
    await home.ledger.assets.keep('ben', { ...assetOf(sha('a')), filename: null });
    await utimes(join(home.dir, 'inputs', used), tenMinutesAgo, tenMinutesAgo);
    const retention = home.retention({ framesMaxBytes: 2000 });
    const sentAt = Date.now() - 2 * HOUR * 1000;
    const sendersOf: typeof home.keeper.sendersOf = async (digests) =>
      (await home.keeper.sendersOf(digests)).map((senders) => senders.map(({ key }) => ({ key, since: sentAt })));
    await retain({ ...retention, keeper: { ...home.keeper, sendersOf } });
    expect(await home.files()).toEqual([`inputs/${open}`, `inputs/${other}`]);
  });

  it('deletes first what is left of jobs whose records are gone', async () => {
    const home = await openHousehold();
    const kept = await home.ended(3 * DAY, { key: 'anna' });
    const gone = await home.put('frames', frameName(newId(), 1), DAY);
    await retain(home.retention({ framesMaxBytes: 1000 }));
    expect(await home.existing([kept])).toEqual([kept]);
    expect(await home.files()).not.toContain(gone);
  });
});

describe('by room', () => {
  const HUGE = 100e9;

  it('deletes the oldest until there is as much room as there should be', async () => {
    const home = await openHousehold();
    const jobs = [];
    for (const days of [5, 4, 3, 2]) jobs.push(await home.ended(days * DAY, { bytes: HUGE }));
    // Short by one and a half of them; what others write to this disk meanwhile is less than half of one.
    await retain(home.retention({ minFreeBytes: ((await home.frames.freeBytes()) ?? 0) + 1.5 * HUGE }));
    expect(await home.existing(jobs)).toEqual(jobs.slice(2));
    expect(await home.files()).toEqual(
      jobs
        .slice(2)
        .map((id) => `${id}_1.png`)
        .sort(),
    );
  });

  it('deletes nothing younger than an hour for it', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(2 * HOUR), await home.ended(0.9 * HOUR)];
    await home.put('inputs', inputName(sha('a')), 0.5 * HOUR);
    await home.put('inputs', inputName(sha('b')), 3 * HOUR);
    await retain(home.retention({ minFreeBytes: Number.MAX_SAFE_INTEGER }));
    expect(await home.files()).toEqual([`${jobs[1]}_1.png`, `inputs/${inputName(sha('a'))}`]);
  });

  it('deletes nothing when there is room enough', async () => {
    const home = await openHousehold();
    await home.ended(2 * DAY);
    await retain(home.retention({ minFreeBytes: 1 }));
    expect(await home.files()).toHaveLength(1);
  });
});

describe('a webhook that is still to come', () => {
  it('keeps its job and the pictures that it notifies of, by age and by size', async () => {
    const home = await openHousehold();
    const told = await home.ended(8 * DAY);
    const untold = await home.ended(9 * DAY, { callback: { url: 'https://receiver.example/' } });
    await retain(home.retention({ framesMaxAgeSeconds: DAY, framesMaxBytes: 0 }));
    expect(await home.existing([told, untold])).toEqual([untold]);
    expect(await home.files()).toEqual([`${untold}_1.png`]);
    expect(await home.ledger.jobs.forget(untold)).toBe(true); // its caller may still delete it
    await retain(home.retention({ framesMaxAgeSeconds: DAY }));
    expect(await home.files()).toEqual([]);
  });
});

describe('by number', () => {
  it('deletes the oldest ended jobs of each key that has too many, with their pictures, and no open one', async () => {
    const home = await openHousehold();
    const jobs: Record<string, string[]> = { anna: [], ben: [] };
    for (const key of ['anna', 'anna', 'anna', 'ben', 'ben']) jobs[key]?.push(await home.ended(HOUR, { key }));
    const [oldest, ...young] = jobs.anna as [string, ...string[]];
    await home.put('derived', `${oldest}_1_w64.png`, HOUR, 100);
    const open = [await home.create(undefined, undefined, { key: 'anna' })];
    await retain(home.retention({ jobsKeptPerKey: 2 }));
    const kept = [...young, ...(jobs.ben ?? [])];
    expect(await home.existing([oldest, ...kept, ...open])).toEqual([...kept, ...open]);
    expect(await home.files()).toEqual(kept.map((id) => `${id}_1.png`).sort());
    expect(home.lines).toEqual([expect.objectContaining({ jobs: 1, pictures: 1, derived: 1, bytes: 1100 })]);
  });

  it('counts what it deleted when it goes on with what is too large', async () => {
    const home = await openHousehold();
    const [, second, third] = [await home.ended(4 * HOUR), await home.ended(3 * HOUR), await home.ended(2 * HOUR)];
    await retain(home.retention({ jobsKeptPerKey: 2, framesMaxBytes: 2000 }));
    expect(await home.existing([second, third])).toEqual([second, third]);
    expect(home.lines).toEqual([expect.objectContaining({ jobs: 1, pictures: 1, bytes: 1000 })]);
  });
});

it('ends between two deletions when it is to stop', async () => {
  const home = await openHousehold();
  for (const days of [9, 8]) await home.ended(days * DAY);
  const stopping = new AbortController();
  const keeper = {
    ...home.keeper,
    forget: (id: string) => {
      stopping.abort();
      return home.keeper.forget(id);
    },
  };
  await retain(home.retention({ framesMaxAgeSeconds: DAY }, { keeper, signal: stopping.signal }));
  expect(await home.files()).toHaveLength(1);
  expect(home.lines[0]).toMatchObject({ jobs: 1, pictures: 1 });
});

it('finds nothing to do where there is no folder yet', async () => {
  const home = await openHousehold();
  const nowhere = createFileFrames({ dir: join(home.dir, 'none'), owner: 'x' });
  await retain(home.retention({ framesMaxBytes: 0 }, { frames: nowhere, inputs: nowhere, derived: nowhere }));
  expect(home.lines).toEqual([]);
});
