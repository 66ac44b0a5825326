import { expect, it } from 'vitest';
import { nextClaim, openFleet } from './builders.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

it('keeps the trace of a job on its record, for whoever claims it and whoever notifies of its end', async () => {
  const fleet = await openFleet();
  const { record } = await fleet.submit({ traceparent: TRACEPARENT });
  expect(record.traceparent).toBe(TRACEPARENT);
  expect((await nextClaim(await fleet.claims())).record.traceparent).toBe(TRACEPARENT);
  expect((await fleet.get(record.id)).record.traceparent).toBe(TRACEPARENT);
});

it('writes no trace where there is none', async () => {
  const fleet = await openFleet();
  const { id, traceparent } = (await fleet.submit()).record;
  expect(traceparent).toBeNull();
  expect(await fleet.redis.hexists(fleet.keys.job(id), 'traceparent')).toBe(0);
});
