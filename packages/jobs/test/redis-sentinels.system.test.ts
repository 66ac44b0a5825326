import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openFleet, startNext, succeeded, untilAnswering } from './builders.js';
import { expectNothingLost, kill, type Place, PREFIX, waitFor } from './changing-primary.js';
import { sentinels } from './redis-endpoints.js';

async function bySentinels(replicas: number): Promise<Place> {
  const { set, ...place } = await sentinels(onTestFinished, { replicas });
  // A failover may promote any replica, because the Sentinels' information is seconds old.
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: waitFor(replicas) });
  return { fleet, primary: set.primary, failOver: set.failOver };
}

it('loses no acknowledged job when the primary of Sentinels is killed in the middle of a run', async () => {
  await expectNothingLost(await bySentinels(2), kill);
});

it('loses no acknowledged job when the primary of Sentinels hands over to a replica in the middle of a run', async () => {
  // With another replica that does not know yet, writes to the old primary would still be acknowledged.
  await expectNothingLost(await bySentinels(1), ({ failOver }) => failOver());
});

it('leaves a hanging primary for its successor, so that callers are answered and workers continue', async () => {
  const place = await bySentinels(1);
  const { fleet, primary } = place;
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  const old = await primary();
  process.kill(old.pid, 'SIGSTOP');
  const finishing = claim.finish(succeeded(id), promptId);
  await until('another is the primary', async () => (await primary()) !== old);
  // It has no replica, so no job is acknowledged, but everything is answered.
  await untilAnswering(fleet.ledger);
  expect((await fleet.get(id)).record.status).not.toBe('queued');
  expect(await finishing).toBe('succeeded');
  expect((await fleet.get(id)).record.status).toBe('succeeded');
});
