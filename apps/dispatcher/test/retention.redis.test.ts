import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { copyName, createFileFrames, frameName, inputDigest, inputName } from '@comfy-fleet/frames';
import { LEAST_FILE_BYTES } from '@comfy-fleet/jobs';
import { describe, expect, it } from 'vitest';
import { retain } from '../src/housekeeping/retention.js';
import { DAY, HOUR, openHousehold } from './household.js';

const sha = (letter: string) => letter.repeat(64);

describe('retention by age', () => {
  it('deletes pictures that are too old, with their job and derived pictures, and logs the counts', async () => {
    const home = await openHousehold();
    const old = await home.ended(8 * DAY, { pictures: 3 });
    const young = await home.ended(6 * DAY);
    await home.put('derived', `${old}_1_w512.webp`, HOUR, 20_000);
    await home.put('derived', `${young}_1_w512.webp`, HOUR, 20_000);
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
        bytes: 620_000,
      }),
    ]);
  });

  it('logs nothing if there was nothing to delete', async () => {
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

  it('deletes old pictures without a record, as left by a crash after the record was deleted', async () => {
    const home = await openHousehold();
    const id = await home.ended(8 * DAY);
    expect(await home.keeper.forget(id)).toBe('forgotten');
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual([]);
  });

  it('keeps a job while one of its pictures is younger', async () => {
    const home = await openHousehold();
    const id = await home.ended(8 * DAY, { pictures: 2 });
    await home.put('frames', frameName(id, 2), 6 * DAY);
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual([`${id}_1.png`, `${id}_2.png`]);
    expect(await home.existing([id])).toEqual([id]);
  });

  it('keeps pictures of open jobs, however old', async () => {
    const home = await openHousehold();
    const ids = [await home.create(), await home.create()];
    await home.claim(); // one is claimed, one waits
    for (const id of ids) await home.put('frames', frameName(id, 1), 30 * DAY);
    await retain(
      home.retention({ framesMaxAgeSeconds: HOUR, framesMaxBytes: 0, minFreeBytes: Number.MAX_SAFE_INTEGER }),
    );
    expect(await home.files()).toEqual(ids.map((id) => `${id}_1.png`).sort());
    expect(await home.existing(ids)).toEqual(ids);
  });

  it('deletes old inputs, but not those of open jobs', async () => {
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

  it('keeps an old input that a new job uses while retention runs', async () => {
    const home = await openHousehold();
    const name = await home.put('inputs', inputName(sha('a')), 8 * DAY);
    // The job is created between the inventory and the deletion.
    const keeper = {
      ...home.keeper,
      retireInput: async (...args: Parameters<typeof home.keeper.retireInput>) => {
        expect(await home.inputs.touch(name)).toBe(true);
        await home.create(sha('a'));
        return home.keeper.retireInput(...args);
      },
    };
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }, { keeper }));
    expect(await home.files()).toEqual([`inputs/${name}`]);
    expect(home.lines).toEqual([]);
  });

  it('keeps foreign files, folders, and half-written files of the last day', async () => {
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

  it('deletes derived pictures whose original is gone, unless they are new', async () => {
    const home = await openHousehold();
    const [gone, justMade] = [newId(), newId()];
    await home.put('derived', `${gone}_1_w64.png`, 120);
    await home.put('derived', `${justMade}_1_w64.png`, 0);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`derived/${justMade}_1_w64.png`]);
  });

  it('continues after a picture that cannot be deleted, and logs it', async () => {
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
    // The record is already gone; once the disk works again, the files are deleted too.
    await retain(home.retention({ framesMaxAgeSeconds: 7 * DAY }));
    expect(await home.files()).toEqual(['a file where the folder should be']);
  });
});

describe('retention of assets', () => {
  const digest = sha('f');
  const file = {
    digest,
    name: inputName(digest, 'mp4'),
    kind: 'video',
    contentType: 'video/mp4',
    bytes: 200_000,
  } as const;

  it('deletes only a file that was not used for the maximum age, with its assets', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    const { asset } = await assets.keep('a', { ...file, filename: null });
    await home.put('inputs', file.name, 3 * DAY);
    const picture = await home.put('inputs', inputName(sha('a')), DAY);
    const old = home.retention({ inputsMaxAgeSeconds: 2 * DAY });
    await retain(old); // its record says that it was just used
    expect(await home.files()).toContain(`inputs/${file.name}`);
    const retireInput = (which: string) => home.keeper.retireInput(which, 0);
    await retain({ ...old, keeper: { ...home.keeper, retireInput } });
    expect(await home.files()).toEqual([`inputs/${picture}`]);
    expect(await assets.get('a', asset.id)).toBeUndefined();
  });

  it('deletes a file without assets after a minute, unless an open job uses it', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    await home.put('inputs', file.name, 120, file.bytes, 'a');
    await assets.delete('a', (await assets.keep('a', { ...file, filename: null })).asset.id);
    await home.create(digest);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`inputs/${file.name}`]);
    await home.finish(await home.claim());
    await retain(home.retention({}));
    expect(await home.files()).toEqual([]);
    expect(await home.keeper.sendersOf([digest])).toEqual([[]]);
  });

  it('deletes the copies of a video with it, however young, but not those of another one', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    await home.put('inputs', file.name, 120, file.bytes, 'a');
    await assets.delete('a', (await assets.keep('a', { ...file, filename: null })).asset.id);
    const [copy, other] = [copyName(file.name, 'mov'), copyName(inputName(sha('e'), 'mp4'), 'mov')];
    for (const name of [copy, other]) await home.put('inputs', name, 0, 100, 'a');
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`inputs/${other}`]);
    expect(await home.keeper.sendersOf([inputDigest(copy)])).toEqual([[]]);
  });

  it('keeps such a file for a minute, since an order may be about to use it', async () => {
    const home = await openHousehold();
    const { assets } = home.ledger;
    await home.put('inputs', file.name, 30, file.bytes, 'a');
    await assets.delete('a', (await assets.keep('a', { ...file, filename: null })).asset.id);
    await retain(home.retention({}));
    expect(await home.files()).toEqual([`inputs/${file.name}`]);
  });
});

describe('retention by size', () => {
  it('deletes the oldest files until the rest of all three kinds fits', async () => {
    const home = await openHousehold();
    const jobs = [await home.ended(5 * DAY), await home.ended(3 * DAY), await home.ended(1 * DAY)];
    await home.put('inputs', inputName(sha('a')), 4 * DAY);
    await home.put('inputs', inputName(sha('b')), 2 * DAY);
    await home.put('derived', `${jobs[2]}_1_w64.png`, HOUR);
    await retain(home.retention({ framesMaxBytes: 600_000 }));
    // Of 1,200,000 bytes, the job of 5 days, the input of 4 and the job of 3 are deleted.
    expect(await home.files()).toEqual(
      [`${jobs[2]}_1.png`, `derived/${jobs[2]}_1_w64.png`, `inputs/${inputName(sha('b'))}`].sort(),
    );
    expect(await home.existing(jobs)).toEqual([jobs[2]]);
  });

  it('deletes nothing if all files fit exactly', async () => {
    const home = await openHousehold();
    await home.ended(5 * DAY);
    await home.ended(3 * DAY);
    await retain(home.retention({ framesMaxBytes: 400_000 }));
    expect(await home.files()).toHaveLength(2);
  });

  it('skips open jobs and deletes younger ones instead, but none of the last hour, and logs that', async () => {
    const home = await openHousehold();
    const open = await home.create();
    const held = await home.claim();
    await home.put('frames', frameName(open, 1), 5 * DAY);
    const [old, now] = [await home.ended(1.1 * HOUR), await home.ended(0.9 * HOUR)];
    await retain(home.retention({ framesMaxBytes: 200_000 }));
    expect(await home.files()).toEqual([`${open}_1.png`, `${now}_1.png`].sort());
    expect(await home.existing([open, old, now])).toEqual([open, now]);
    expect(home.lines).toEqual([expect.objectContaining({ message: 'deleted old pictures' })]);
    await home.finish(held);
    await retain(home.retention({ framesMaxBytes: 199_999 }));
    expect(await home.files()).toEqual([`${now}_1.png`]);
    expect(home.lines.slice(1)).toEqual([
      expect.objectContaining({
        level: 'warn',
        bytes: 200_000,
        most: 199_999,
        message: expect.stringContaining('last hour'),
      }),
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
    await retain(home.retention({ framesMaxBytes: 200_000 + 100 * LEAST_FILE_BYTES }));
    expect((await home.files()).filter((name) => names.includes(name))).toEqual(names.slice(-100).sort());
    expect(await home.files()).toHaveLength(101);
  });
});

describe('an undelivered webhook', () => {
  it('protects its job and pictures from retention by age, but not for space', async () => {
    const home = await openHousehold();
    const told = await home.ended(8 * DAY);
    const untold = await home.ended(9 * DAY, { callback: { url: 'https://receiver.example/' } });
    await retain(home.retention({ framesMaxAgeSeconds: DAY }));
    expect(await home.existing([told, untold])).toEqual([untold]);
    expect(await home.files()).toEqual([`${untold}_1.png`]);
    await retain(home.retention({ framesMaxBytes: 0 }));
    expect(await home.existing([untold])).toEqual([]);
    expect(await home.files()).toEqual([]);
  });
});

describe('retention by number', () => {
  it('deletes the oldest ended jobs of each key with too many, with their pictures, and no open job', async () => {
    const home = await openHousehold();
    const jobs: Record<string, string[]> = { anna: [], ben: [] };
    for (const key of ['anna', 'anna', 'anna', 'ben', 'ben']) jobs[key]?.push(await home.ended(HOUR, { key }));
    const [oldest, ...young] = jobs.anna as [string, ...string[]];
    await home.put('derived', `${oldest}_1_w64.png`, HOUR, 20_000);
    const open = [await home.create(undefined, undefined, { key: 'anna' })];
    await retain(home.retention({ jobsKeptPerKey: 2 }));
    const kept = [...young, ...(jobs.ben ?? [])];
    expect(await home.existing([oldest, ...kept, ...open])).toEqual([...kept, ...open]);
    expect(await home.files()).toEqual(kept.map((id) => `${id}_1.png`).sort());
    expect(home.lines).toEqual([expect.objectContaining({ jobs: 1, pictures: 1, derived: 1, bytes: 220_000 })]);
  });

  it('subtracts what it deleted before it deletes by size', async () => {
    const home = await openHousehold();
    const [, second, third] = [await home.ended(4 * HOUR), await home.ended(3 * HOUR), await home.ended(2 * HOUR)];
    await retain(home.retention({ jobsKeptPerKey: 2, framesMaxBytes: 400_000 }));
    expect(await home.existing([second, third])).toEqual([second, third]);
    expect(home.lines).toEqual([expect.objectContaining({ jobs: 1, pictures: 1, bytes: 200_000 })]);
  });
});

it('stops between two deletions', async () => {
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

it('does nothing if the folder does not exist yet', async () => {
  const home = await openHousehold();
  const nowhere = createFileFrames({ dir: join(home.dir, 'none'), owner: 'x' });
  await retain(home.retention({ framesMaxBytes: 0 }, { frames: nowhere, inputs: nowhere, derived: nowhere }));
  expect(home.lines).toEqual([]);
});
