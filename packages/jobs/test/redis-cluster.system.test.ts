import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openFleet, startNext, succeeded, untilAnswering } from './builders.js';
import { expectNothingLost, kill, type Place, PREFIX, waitFor } from './changing-primary.js';
import { cluster } from './redis-endpoints.js';

async function inCluster(): Promise<Place> {
  const { set, ...place } = await cluster(onTestFinished, { replicas: 1 });
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: waitFor(1) });
  return { fleet, primary: () => set.primaryOf(PREFIX), failOver: () => set.failOver(PREFIX) };
}

it('loses no acknowledged job when the primary of a Cluster is killed in the middle of a run', async () => {
  await expectNothingLost(await inCluster(), kill);
});

it('loses no acknowledged job when the primary of a Cluster hands over to a replica in the middle of a run', async () => {
  await expectNothingLost(await inCluster(), ({ failOver }) => failOver());
});

it('waits for a restarting Cluster node without a replica', async () => {
  const { set, ...place } = await cluster(onTestFinished);
  const fleet = await openFleet({ ...place, prefix: PREFIX });
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  const node = await set.primaryOf(PREFIX);
  await node.stop('SIGKILL');
  const finishing = claim.finish(succeeded(id), promptId);
  await expect(fleet.ledger.jobs.get(id)).rejects.toMatchObject({ code: 'queue_unavailable' });
  await node.restart();
  expect(await finishing).toBe('succeeded');
  await untilAnswering(fleet.ledger);
  const next = (await fleet.submit()).record.id;
  const taken = await until('the next job', () => claimNext(source));
  expect(taken.record.id).toBe(next);
  expect(await taken.finish(succeeded(next))).toBe('succeeded');
});
