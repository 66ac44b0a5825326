import type { HaltTarget } from '@comfy-fleet/jobs';
import { queueOf, starts, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const LONG = { steps: 150 };
const FLEET: HaltTarget = { kind: 'fleet' };
const instance = (name: string): HaltTarget => ({ kind: 'instance', name });

async function aStack() {
  const stack = await openStack();
  return {
    ...stack,
    halt: (target: HaltTarget) => stack.ledger.fleet.halt(target, 'operator'),
    resume: (target: HaltTarget) => stack.ledger.fleet.resume(target),
  };
}

it('finishes the running job of a drained instance, moves waiting jobs elsewhere, and gives it nothing until it is resumed', async () => {
  const stack = await aStack();
  const [first, second] = [await aGpu(1000), await aGpu()];
  const w1 = await stack.startWorker('w1', [first.url]);
  const executing = await stack.submit(LONG);
  await stack.running(executing);
  const behind = await stack.submit(LONG);
  await until('one waits there', async () => (await queueOf(first)).pending.length === 1);
  await stack.halt(instance('w1/1'));
  await until('nothing waits there', async () => (await queueOf(first)).pending.length === 0);
  expect((await queueOf(first)).running).toHaveLength(1);
  const w2 = await stack.startWorker('w2', [second.url]);
  expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', instance: 'w2/1', attempts: 1 });
  first.set({ stepMs: 0 });
  expect(await stack.ended(executing)).toMatchObject({ status: 'succeeded', instance: 'w1/1', attempts: 1 });
  await until('it says that it is to be drained and does nothing', async () => {
    const said = await w1.instance(1);
    return said?.drains === true && said.running === null && said.waiting.length + said.collecting.length === 0;
  });
  for (let n = 0; n < 3; n++) expect(await stack.run({ seed: `${n}` })).toMatchObject({ instance: 'w2/1' });
  expect(starts(first)).toBe(1);
  await stack.halt(instance('w2/1'));
  await until('the other says that it is to be drained as well', async () => (await w2.instance(1))?.drains);
  const waiting = await stack.submit();
  await stack.resume(instance('w1/1'));
  expect(await stack.ended(waiting)).toMatchObject({ instance: 'w1/1' });
});

it('keeps an instance drained when its worker is restarted, which is ready all the same', async () => {
  const stack = await aStack();
  const gpu = await aGpu();
  const before = await stack.startWorker('w1', [gpu.url]);
  await stack.halt(instance('w1/1'));
  await before.stop();
  const id = await stack.submit();
  const again = await stack.startWorker('w1', [gpu.url]);
  await until('it is ready', async () => (await again.notReady(AbortSignal.timeout(60_000))).length === 0);
  await until('it says that it is to be drained', async () => (await again.instance(1))?.drains);
  expect((await stack.record(id)).phase).toBe('waiting');
  await stack.resume(instance('w1/1'));
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
});

it('gives nothing to a drained instance or a paused fleet that lost what its worker left there', async () => {
  const stack = await aStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit(LONG);
  await stack.leaveExecuting('w1', gpu);
  await stack.halt(instance('w1/1'));
  await stack.halt(FLEET);
  gpu.drop();
  const w1 = await stack.startWorker('w1', [gpu.url]);
  await until('it is in the queue again', async () => (await stack.record(id)).status === 'queued');
  await until('it says that it is to be drained', async () => (await w1.instance(1))?.drains);
  const other = await aGpu();
  await stack.startWorker('w2', [other.url]);
  expect((await stack.record(id)).status).toBe('queued');
  await stack.resume(FLEET);
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w2/1' });
  expect([starts(gpu), starts(other)]).toEqual([1, 1]);
});

it('finishes running jobs while the fleet is paused, claims nothing else, and continues at once when it is resumed', async () => {
  const stack = await aStack();
  const gpu = await aGpu(1000);
  await stack.startWorker('w1', [gpu.url]);
  const ids = [await stack.submit(LONG), await stack.submit(LONG), await stack.submit(LONG)];
  const executing = await until('one waits behind one that executes', async () => {
    const { running, pending } = await queueOf(gpu);
    return pending.length > 0 && running[0];
  });
  // Prompts are sent over several connections, so they may arrive in another order.
  const prompts = await Promise.all(ids.map(async (id) => (await stack.record(id)).promptId));
  const running = ids[prompts.indexOf(executing)] as string;
  const others = ids.filter((id) => id !== running);
  await stack.halt(FLEET);
  await until('nothing waits there', async () => (await queueOf(gpu)).pending.length === 0);
  gpu.set({ stepMs: 0 });
  expect(await stack.ended(running)).toMatchObject({ status: 'succeeded' });
  const later = await stack.submit();
  await until('all else is back in the queue', async () => {
    const phases = await Promise.all([...others, later].map(async (id) => (await stack.record(id)).phase));
    return phases.every((phase) => phase === 'waiting');
  });
  expect(starts(gpu)).toBe(1);
  await stack.resume(FLEET);
  for (const id of [...others, later]) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
});
