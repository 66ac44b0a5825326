import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openFleet, startNext, succeeded, untilAnswering } from './builders.js';
import { expectNothingLost, kill, type Place, PREFIX, waitFor } from './changing-primary.js';
import { sentinels } from './redis-endpoints.js';

async function bySentinels(replicas: number): Promise<Place> {
  const { set, ...place } = await sentinels(onTestFinished, { replicas });
  // A failover may promote any of them: Sentinels know how far each was seconds ago.
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: waitFor(replicas) });
  return { fleet, primary: set.primary, failOver: set.failOver };
}

it('loses nothing that was acknowledged when the primary of Sentinels is killed in the middle of a run', async () => {
  await expectNothingLost(await bySentinels(2), kill);
});

it('loses nothing that was acknowledged when the primary of Sentinels hands over to a replica in the middle of a run', async () => {
  // With another replica that does not know yet, what the old primary still takes would be acknowledged.
  await expectNothingLost(await bySentinels(1), ({ failOver }) => failOver());
});

it('leaves a primary of Sentinels that hangs for its successor, where callers are answered and where work is done', async () => {
  const place = await bySentinels(1);
  const { fleet, primary } = place;
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  const old = await primary();
  process.kill(old.pid, 'SIGSTOP');
  const finishing = claim.finish(succeeded(id), promptId);
  await until('another is the primary', async () => (await primary()) !== old);
  // It has no replica: nothing is acknowledged, but everything is answered.
  await untilAnswering(fleet.ledger);
  expect((await fleet.get(id)).record.status).not.toBe('queued');
  expect(await finishing).toBe('succeeded');
  expect((await fleet.get(id)).record.status).toBe('succeeded');
});
