import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import type { CrossCheck } from '../src/index.js';
import { openFleet, startNext } from './builders.js';

const WEDGE = { instance: 'w/1', promptId: '11111111-1111-7111-8111-111111111111', node: 'KSampler', since: 1234 };

it('gives a worker the hung prompts that an earlier process of its name recorded, until they are forgotten', async () => {
  const fleet = await openFleet();
  const { prompts } = fleet.worker('w');
  await prompts.recordHung(WEDGE);
  await prompts.recordHung({ ...WEDGE, instance: 'w/2', node: null });
  expect(await fleet.worker('w').prompts.read()).toEqual([WEDGE, { ...WEDGE, instance: 'w/2', node: null }]);
  expect(await fleet.worker('v').prompts.read()).toEqual([]);
  expect(await fleet.redis.pttl(fleet.keys.unwantedPrompts('w'))).toBeGreaterThan(0);
  await prompts.forget([WEDGE]);
  expect((await prompts.read()).map(({ instance }) => instance)).toEqual(['w/2']);
});

it('leaves the submission of a canceled job that may still execute to its worker, to be stopped', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const worker = fleet.worker('w1');
  const { claim, promptId } = await startNext(await worker.claims('default'));
  await fleet.ledger.jobs.cancel(id);
  expect(await claim.finish({ status: 'canceled', inDoubt: true }, promptId)).toBe('canceled');
  expect(await worker.prompts.read()).toEqual([{ instance: 'w1/0', promptId }]);
});

it('gives a worker the cross-checks of its instances, and no other worker', async () => {
  const fleet = await openFleet();
  const [one, other] = [fleet.worker('gpu-1'), fleet.worker('gpu-2')];
  const [received, checked, elsewhere]: [CrossCheck[], unknown[], CrossCheck[]] = [[], [], []];
  await one.crossChecks.onReceive((crossCheck) => received.push(crossCheck));
  await one.onAttention((job) => checked.push(job));
  await other.crossChecks.onReceive((crossCheck) => elsewhere.push(crossCheck));
  const sent: CrossCheck[] = [
    { instance: 'gpu-1/1', job: 'a', verdict: 'succeeded' },
    { instance: 'gpu-1/2', job: 'b', verdict: 'alike' },
  ];
  for (const crossCheck of sent) await other.crossChecks.send(crossCheck);
  await fleet.redis.publish(fleet.keys.workerChannel('gpu-1'), 'c');
  await until('the job to be checked', () => checked.length > 0);
  expect(received).toEqual(sent);
  expect(checked).toEqual(['c']);
  expect(elsewhere).toEqual([]);
});
