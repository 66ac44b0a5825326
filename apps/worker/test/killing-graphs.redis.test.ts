import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { openGraph } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack } from './worker-stack.js';

/** A stack in which keys order their own graphs. */
async function aShop() {
  const stack = await openStack();
  await stack.answering();
  const order = async (caller: string, seed: number, limits: { maxGpuSeconds?: number } = {}) => {
    const graph = {
      '1': { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: seed } },
      '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
    };
    const { workflow } = openGraph(graph, { catalogue: undefined });
    const { version, text } = workflow;
    const request = { ...aRequest(), workflow: 'graph', version, inputs: {}, ...limits };
    const job = { id: newId(), kind: 'workflow' as const, request, source: { version, text } };
    await stack.ledger.orders.create({ jobs: [{ ...job, pool: 'default', startWithinMs: 600_000 }], caller });
    return job.id;
  };
  return { ...stack, order };
}

it("lets a key's own graphs rest on every instance when two died executing them, and runs those of others", async () => {
  const { order, record, running, ended, startWorker } = await aShop();
  const killer = await order('mallory', 1);
  for (const name of ['a', 'b']) {
    const gpu = await aGpu();
    gpu.faults.add({ kind: 'hang' });
    const worker = await startWorker(name, [gpu.url], { tools: { unreachableMs: 500 } });
    await running(killer);
    await gpu.close();
    await until('its execution is over', async () => (await record(killer)).status !== 'running');
    await worker.stop();
  }
  expect(await ended(killer)).toMatchObject({ status: 'failed', error: { code: 'instance_killed' }, attempts: 2 });

  const next = await order('mallory', 2);
  const other = await order('anna', 3);
  const worker = await startWorker('c', [(await aGpu()).url]);
  expect(await ended(other)).toMatchObject({ status: 'succeeded' });
  const rest = await until('it rests', async () => (await worker.instance(1))?.rests?.[0]);
  expect(rest).toMatchObject({ scope: { key: 'mallory', workflow: 'graph' }, code: 'instance_killed', count: 1 });
  expect(await record(next)).toMatchObject({ status: 'queued', submissions: 0 });
});

it("counts an instance's death against the job that it executed, although the caller canceled that job before", async () => {
  const { order, record, running, ended, startWorker, cancel } = await aShop();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'hang', ignoresInterrupts: true });
  await startWorker('a', [gpu.url]);
  const killer = await order('mallory', 1);
  await running(killer);
  const behind = await order('mallory', 2);
  await until('it waits behind', async () => (await record(behind)).phase === 'submitted');
  await cancel(killer);
  await cancel(behind);
  // The worker knows of the first one by now.
  expect(await ended(behind)).toMatchObject({ status: 'canceled', kills: 0 });
  await gpu.close();
  await aGpu(0, { port: gpu.port });
  expect(await ended(killer)).toMatchObject({ status: 'canceled', kills: 1 });
});

it('counts the death of an instance that had not reported the beginning of the job', async () => {
  const { order, record, startWorker } = await aShop();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'silent_socket' });
  gpu.faults.add({ kind: 'hang' });
  await startWorker('a', [gpu.url], { tools: { pollMs: 3_600_000 } });
  const killer = await order('mallory', 1);
  await until('ComfyUI executes it', async () => {
    const queue = (await (await fetch(`${gpu.url}/queue`)).json()) as { queue_running: unknown[] };
    return queue.queue_running.length === 1 && (await record(killer)).phase === 'submitted';
  });
  await gpu.close();
  await aGpu(0, { port: gpu.port });
  await until('it is tried again', async () => (await record(killer)).submissions === 2);
  expect(await record(killer)).toMatchObject({ kills: 1, refusals: 0 });
});

it("lets a key's own graphs rest when two ignored their interrupts, one of a canceled job and one whose time was up", async () => {
  const { order, record, running, ended, cancel, startWorker } = await aShop();
  const gpu = await aGpu();
  const hang = () => gpu.faults.add({ kind: 'hang', ignoresInterrupts: true, times: 1 });
  const worker = await startWorker('a', [gpu.url], { tools: { interruptGraceMs: 300 } });
  hang();
  const canceled = await order('mallory', 1);
  await running(canceled);
  await cancel(canceled);
  expect(await ended(canceled)).toMatchObject({ status: 'canceled', kills: 0 });
  // ComfyUI is restarted.
  gpu.drop();
  hang();
  const late = await order('mallory', 2, { maxGpuSeconds: 2 });
  expect(await ended(late)).toMatchObject({ status: 'failed', error: { code: 'timed_out' }, kills: 0 });
  const next = await order('mallory', 3);
  const rest = await until('it rests', async () => (await worker.instance(1))?.rests?.[0]);
  expect(rest).toMatchObject({ scope: { key: 'mallory', workflow: 'graph' }, code: 'instance_killed', count: 1 });
  gpu.drop();
  expect(await ended(await order('anna', 4))).toMatchObject({ status: 'succeeded' });
  expect(await record(next)).toMatchObject({ status: 'queued', submissions: 0 });
});

it('runs one own graph of a key at a time in the whole fleet from the moment in which an instance died executing one', async () => {
  const { order, record, running, ended, startWorker } = await aShop();
  const gpus = [await aGpu(), await aGpu(), await aGpu()];
  for (const { faults } of gpus.slice(0, 2)) faults.add({ kind: 'hang', times: 1 });
  // However slow this machine is, the killer is not given up before the end of the test.
  await startWorker('a', [gpus[0]?.url ?? ''], { tools: { unreachableMs: 600_000 } });
  const killer = await order('mallory', 1);
  await running(killer);
  await startWorker('b', [gpus[1]?.url ?? '']);
  const executing = await order('mallory', 2);
  await running(executing);
  const both = [await order('mallory', 3), await order('mallory', 4)];
  const behind = await until('one waits behind each', async () => {
    const records = await Promise.all(both.map((id) => record(id)));
    return (
      records.every(({ phase }) => phase === 'submitted') && records.find(({ instance }) => instance === 'b/1')?.id
    );
  });
  await gpus[0]?.close();
  await until('it is taken back', async () => (await record(behind)).phase === 'waiting');
  await startWorker('c', [gpus[2]?.url ?? '']);
  expect(await ended(await order('anna', 5))).toMatchObject({ status: 'succeeded' });
  expect([await record(killer), await record(executing)]).toMatchObject([{ status: 'running' }, { status: 'running' }]);
  expect(await record(behind)).toMatchObject({ status: 'queued', phase: 'waiting', attempts: 0 });
});
