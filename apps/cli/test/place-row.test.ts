import { FleetError, type JobHandle } from '@comfy-fleet/client';
import { expect, it } from 'vitest';
import type { Order } from '../src/callers/orders.js';
import { rowPlacer } from '../src/callers/sheets/place-row.js';

const refused = (code: string, status: number) =>
  new FleetError({ code, status, detail: code }, new Headers({ 'retry-after': '0' }));
const job = (status: string) => ({ status }) as JobHandle;
const { signal } = new AbortController();

/** An order that the API answers so, one time after the other, and the keys that it came with. */
function orderOf(...answers: readonly (JobHandle | FleetError)[]) {
  const keys: string[] = [];
  const order: Order = {
    identity: 'a red fox',
    place: async ({ idempotencyKey = '' }) => {
      const answer = answers[keys.push(idempotencyKey) - 1];
      if (answer instanceof FleetError) throw answer;
      return answer as JobHandle;
    },
  };
  return { order, keys };
}

it('waits with the same key for room in the queue', async () => {
  const { order, keys } = orderOf(refused('queue_full', 429), refused('rate_limited', 429), job('queued'));
  expect((await rowPlacer('a.csv')(order, signal)).status).toBe('queued');
  expect([keys.length, new Set(keys).size]).toEqual([3, 1]);
});

it('asks anew for a job that ended badly in an earlier run, or is gone', async () => {
  const { order, keys } = orderOf(job('failed'), refused('job_not_found', 404), job('running'));
  expect((await rowPlacer('a.csv')(order, signal)).status).toBe('running');
  expect(new Set(keys).size).toBe(3);
});

it('tells rows that are alike apart, and passes on what the API refuses', async () => {
  const { order, keys } = orderOf(job('queued'), job('queued'), refused('validation_failed', 422));
  const place = rowPlacer('a.csv');
  await place(order, signal);
  await place(order, signal);
  await expect(place(order, signal)).rejects.toMatchObject({ code: 'validation_failed' });
  expect(new Set(keys).size).toBe(3);
});
