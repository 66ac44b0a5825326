import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { pictureRequest, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { deleteUnusedPayloads } from '../src/housekeeping/unused-payloads.js';
import { HOUR, openHousehold } from './household.js';

const CHARS = 700_000;

/** Orders a job with a graph and extra data of 1.4 MB together; answers its id and their files, as old as they are to be. */
async function largeJob({ ledger, dir, files }: Awaited<ReturnType<typeof openHousehold>>, ageSeconds = HOUR) {
  const id = newId();
  const text = `{"graph":"${id}${'g'.repeat(CHARS)}"}`;
  const version = createHash('sha256').update(text).digest('hex');
  const request = { ...pictureRequest({}), workflow: 'graph', version };
  const job = { id, kind: 'workflow', request, pool: 'default', startWithinMs: HOUR * 1000 } as const;
  const origin = `{"extraData":"${'o'.repeat(CHARS)}"}`;
  await ledger.orders.create({ jobs: [{ ...job, source: { version, text }, origin }], caller: 'anna' });
  const names = [`inputs/order-graph-${version}.json`, `inputs/order-origin-${id}.json`];
  expect((await files()).filter((name) => names.includes(name))).toEqual(names);
  const time = new Date(Date.now() - ageSeconds * 1000);
  for (const name of names) await utimes(join(dir, name), time, time);
  return { id, names };
}

it('deletes the files of large graphs when the records that refer to them have expired, and no sooner', async () => {
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

it('leaves a file to an order that is just being made', async () => {
  const home = await openHousehold();
  const young = await largeJob(home, 0);
  await home.ledger.jobs.cancel(young.id);
  await home.ledger.jobs.forget(young.id);
  await deleteUnusedPayloads({ ...home.retention({}), keeper: home.keeper });
  expect(await home.files()).toEqual(young.names);
});
