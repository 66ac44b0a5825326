import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

it('jobs behind a long one are not submitted again and again while the idle instance beside it is suspect of them', async () => {
  const stack = await openStack();
  const [busy, suspect] = [await aGpu(1000), await aGpu()];
  const worker = await stack.startWorker('w', [busy.url, suspect.url]);
  await worker.allUp();
  const long = await stack.submit({ steps: 150 });
  await stack.running(long);
  suspect.faults.add({ kind: 'node_error', exceptionType: 'RuntimeError', message: 'CUDA error: unspecified failure' });
  const ids = await Promise.all(['1', '2', '3'].map((seed) => stack.submit({ seed })));
  const records = () => Promise.all(ids.map(stack.record));
  await until('one of them failed there', async () => (await records()).some(({ faults }) => faults.length > 0));
  suspect.faults.remove();
  await until('it may be tried with a job', async () => {
    const [rest] = (await worker.instance(2))?.rests ?? [];
    return rest !== undefined && rest.until < Date.now();
  });
  const { seenAt = 0 } = (await worker.announced()) ?? {};
  await until('the suspect instance was idle for some announcements', async () => {
    const announced = await worker.announced();
    return announced !== undefined && announced.seenAt > seenAt + 5000;
  });
  // To the suspect one, taken back when it fails another, to the busy one, to the suspect one as its trial, and back.
  for (const { submissions } of await records()) expect(submissions).toBeLessThanOrEqual(4);
});
