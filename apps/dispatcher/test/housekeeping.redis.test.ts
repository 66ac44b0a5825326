import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { frameName, inputName } from '@comfy-fleet/frames';
import { createSchedules } from '@comfy-fleet/jobs';
import { pictureRequest, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { deleteUnusedPayloads, housekeepingTasks } from '../src/housekeeping/housekeeping.js';
import { retain } from '../src/housekeeping/retention.js';
import { DAY, HOUR, openHousehold } from './household.js';

type Household = Awaited<ReturnType<typeof openHousehold>>;

const sha = (n: number) => n.toString(16).padStart(64, '0');
const LIMITS = { framesMaxAgeSeconds: DAY };

/** Makes a file old, if it is still there. */
async function age(home: Household, ...path: string[]): Promise<void> {
  const time = new Date(Date.now() - 2 * DAY * 1000);
  await utimes(join(home.dir, ...path), time, time).catch(() => undefined);
}

it('never deletes files of an open job while two keepers delete and jobs come and go', async () => {
  const home = await openHousehold();
  const finished: string[] = [];
  let over = false;
  const jobs = async () => {
    for (let n = 0; n < 80; n++) {
      // Like the API: store or touch the input, then create the job. Ten jobs use each input.
      const name = inputName(sha(n % 8));
      if (!(await home.inputs.touch(name))) await home.put('inputs', name, 0);
      const id = await home.create(sha(n % 8));
      await age(home, 'inputs', name);
      const held = await home.claim();
      // Like a worker: read the input, store the picture, end the job.
      expect(await home.inputs.stat(name)).toBeDefined();
      const frame = await home.put('frames', frameName(id, 1), 2 * DAY);
      expect(await home.inputs.stat(name)).toBeDefined();
      expect(await home.frames.stat(frame)).toBeDefined();
      expect(await home.finish(held)).toBe(id);
      finished.push(id);
    }
    over = true;
  };
  const tidy = async (keeper: Household['keeper']) => {
    while (!over) await retain(home.retention(LIMITS, { keeper }));
    await retain(home.retention(LIMITS, { keeper }));
  };
  await Promise.all([jobs(), tidy(home.keeper), tidy(home.otherKeeper)]);
  expect(finished).toHaveLength(80);
  expect(await home.existing(finished)).toEqual([]);
  expect(await home.files()).toEqual([]);
});

it('sweeps, deletes, prunes and samples repeatedly in two dispatchers, until they stop', async () => {
  const home = await openHousehold();
  const stopping = new AbortController();
  const running = [home.keeper, home.otherKeeper].map(async (keeper) => {
    const schedules = createSchedules({ redis: home.redis, lockMs: 60_000, stalledCheckMs: 5000, log: home.log });
    const tasks = housekeepingTasks({
      ...home.retention({ ...LIMITS, housekeepingSeconds: 0.02 }, { signal: stopping.signal }),
      keeper,
      sweepSeconds: 0.02,
      stepSeconds: 0.02,
      replicasWanted: 1,
    });
    await schedules.work(tasks, stopping.signal);
    await schedules.close();
  });
  for (let round = 0; round < 3; round++) {
    const old = await home.ended(2 * DAY);
    await until('the job was deleted', async () => (await home.existing([old])).length === 0);
    await until('its picture was deleted', async () => (await home.files()).length === 0);
  }
  const id = await home.create(undefined, -5000);
  await until('the overdue job expired', async () => (await home.ledger.jobs.get(id))?.record.status === 'expired');
  const samples = async () => (await home.ledger.fleet.history(60)).length;
  await until('the fleet was sampled', async () => (await samples()) >= 3);
  const { judgedAt = 0 } = await home.ledger.fleet.alerts();
  expect(judgedAt).toBeGreaterThan(0);
  stopping.abort();
  await Promise.all(running);
  const old = await home.ended(2 * DAY);
  expect(await home.existing([old])).toEqual([old]);
});

const CHARS = 700_000;

/** Creates a job with a graph and extra data of 1.4 MB in total; returns its id and the files, which have the given age. */
async function largeJob({ ledger, dir, files }: Awaited<ReturnType<typeof openHousehold>>, ageSeconds = HOUR) {
  const id = newId();
  const text = `{"graph":"${id}${'g'.repeat(CHARS)}"}`;
  const version = createHash('sha256').update(text).digest('hex');
  const request = { ...pictureRequest({}), workflow: 'graph', version };
  const job = { id, kind: 'workflow', request, pool: 'default', startWithinMs: HOUR * 1000 } as const;
  const origin = `{"extraData":"${'o'.repeat(CHARS)}"}`;
  await ledger.orders.create({ jobs: [{ ...job, source: { version, text }, origin }], caller: 'anna' });
  const names = ['graph', 'origin'].map((kind) => `inputs/order-${kind}-${id}.json`);
  expect((await files()).filter((name) => names.includes(name))).toEqual(names);
  const time = new Date(Date.now() - ageSeconds * 1000);
  for (const name of names) await utimes(join(dir, name), time, time);
  return { id, names };
}

it('deletes files of large graphs only after all records that refer to them have expired', async () => {
  const home = await openHousehold({ jobTtlSeconds: 1 });
  const { keeper, ledger } = home;
  const clean = () => deleteUnusedPayloads({ ...home.retention({}), keeper: home.keeper });
  const waiting = await largeJob(home);
  const ended = await largeJob(home);
  await ledger.jobs.cancel(ended.id);
  await clean();
  expect(await home.files()).toEqual([...waiting.names, ...ended.names].sort());
  await until('the record to expire', async () => (await ledger.jobs.get(ended.id)) === undefined);
  await until('the record to be pruned', async () => {
    await keeper.pruneIndexes();
    await clean();
    return (await home.files()).length === 2;
  });
  expect(await home.files()).toEqual(waiting.names);
  expect((await ledger.jobs.origin(waiting.id))?.length).toBeGreaterThan(CHARS);
});

it('keeps young files, which may belong to an order that is being created', async () => {
  const home = await openHousehold();
  const young = await largeJob(home, 0);
  await home.ledger.jobs.cancel(young.id);
  await home.ledger.jobs.forget(young.id);
  await deleteUnusedPayloads({ ...home.retention({}), keeper: home.keeper });
  expect(await home.files()).toEqual(young.names);
});
