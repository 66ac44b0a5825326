import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack, withInput } from './worker-stack.js';

/** Texts that a caller makes a node raise, in exceptions whose type shows nothing. */
const TEXTS = [
  ['instance_io_failed', 'OSError', '[Errno 28] No space left on device'],
  ['gpu_failed', 'RuntimeError', 'CUDA error: `reboot`'],
  ['node_execution_error', 'ValueError', 'Invalid expression'],
] as const;

/** A worker with one instance, and jobs of several keys. */
async function aShop() {
  const stack = await openStack();
  const gpu = await aGpu();
  const { stores, request } = await withInput();
  const worker = await stack.startWorker('w', [gpu.url], { stores });
  await worker.allUp();
  return {
    stack,
    gpu,
    worker,
    rests: async () => (await worker.instance(1))?.rests ?? [],
    /** A job of mallory whose graph loads a picture; nobody else's does. */
    attack: () => stack.submit(request, 'default', 'mallory'),
    order: (key: string, seed: string) => stack.submit({ seed }, 'default', key),
  };
}

it.each(TEXTS)(
  'runs all jobs of another key, while one sends %s all the time',
  async (code, exceptionType, message) => {
    const { stack, gpu, worker, rests, attack, order } = await aShop();
    gpu.faults.add({ kind: 'node_error', node: 'LoadImage', exceptionType, message });
    for (let n = 0; n < 8; n += 1) await attack();
    let seed = 0;
    const suspended = await until('it rests for the third time', async () => {
      seed += 1;
      const job = await stack.ended(await order('anna', `${seed}`));
      expect(job).toMatchObject({ status: 'succeeded', attempts: 1, faults: [] });
      await attack();
      const found = await rests();
      expect(found.filter(({ scope }) => scope.key !== 'mallory')).toEqual([]);
      return found.find(({ count }) => count > 2);
    });
    expect(suspended).toMatchObject({ code, scope: { key: 'mallory' } });
    expect(await worker.metrics()).toMatch(/transitions_total\{instance="w\/1",to="resting"\} 0$/m);
  },
);

it('rests for the jobs of all keys when the test prompt fails after a job of one key', async () => {
  const { stack, gpu, worker, rests, order } = await aShop();
  const [, exceptionType, message] = TEXTS[1];
  // This fault affects every prompt, because it names no node.
  gpu.faults.add({ kind: 'node_error', exceptionType, message });
  const first = await order('anna', '1');
  const whole = () => rests().then((found) => found.find(({ scope }) => Object.keys(scope).length === 0));
  await until('it rests for all', whole);
  const second = await order('bert', '2');
  await until('the test prompt has failed again', async () => ((await whole())?.count ?? 0) > 1);
  expect((await stack.record(second)).submissions).toBe(0);
  gpu.faults.remove();
  for (const id of [first, second]) {
    const { status, attempts, faultyAttempts } = await stack.ended(id);
    expect([status, attempts - faultyAttempts]).toEqual(['succeeded', 1]);
  }
  await worker.allUp();
});

it('does not free memory for an exception that only claims in its message to be out of memory', async () => {
  const { stack, gpu, attack } = await aShop();
  const message = 'CUDA error: out of memory';
  gpu.faults.add({ kind: 'node_error', node: 'LoadImage', exceptionType: 'RuntimeError', message });
  const untilFreed = gpu.faults.add({ kind: 'out_of_memory', node: 'none', clearedByFree: true });
  expect(await stack.ended(await attack())).toMatchObject({ status: 'failed', error: { code: 'out_of_memory' } });
  expect(gpu.faults.has(untilFreed)).toBe(true);
});
