import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileFrames } from '@comfy-fleet/frames';
import { lastEnd, startGate, starts, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aFolder, aGpu, namesIn, openStack, someStores } from './worker-stack.js';

const LONG = { steps: 150 };

type Given = Parameters<Awaited<ReturnType<typeof openStack>>['startWorker']>[2];

/** A worker with one instance. */
async function alone(given: Given = {}) {
  const stack = await openStack();
  const gpu = await aGpu();
  const worker = await stack.startWorker('w', [gpu.url], given);
  return { stack, gpu, worker };
}

/** A worker with two instances that are up; the first one will fail, and the options are for the other. */
async function badAndGood(other: Parameters<typeof aGpu>[1] = {}) {
  const stack = await openStack();
  const [bad, good] = [await aGpu(), await aGpu(0, other)];
  const worker = await stack.startWorker('w', [bad.url, good.url]);
  await worker.allUp();
  return { stack, bad, good, worker };
}

describe('a job of a worker with one instance', () => {
  it("fails at once with the node's id, class and message when a node raises", async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'node_error', node: 'VAEDecode', exceptionType: 'ValueError', message: 'bad latent' });
    const job = await stack.run();
    expect(job).toMatchObject({ status: 'failed', attempts: 1, outputs: [], error: { code: 'node_execution_error' } });
    expect(job.error?.nodeId).toBe('6');
    expect(job.error?.detail).toContain('VAEDecode');
    expect(job.error?.detail).toContain('bad latent');
    expect(starts(gpu)).toBe(1);
  });

  it('fails with interrupted and is not retried when somebody else interrupts it in ComfyUI', async () => {
    const { stack, gpu } = await alone();
    gpu.set({ stepMs: 1000 });
    const id = await stack.submit(LONG);
    await stack.running(id);
    await fetch(`${gpu.url}/interrupt`, { method: 'POST' });
    expect(await stack.ended(id)).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'interrupted' } });
    expect(starts(gpu)).toBe(1);
  });

  it('is rendered again, as its attempts show, when ComfyUI has no history of it', async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'lost_history', times: 1 });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(starts(gpu)).toBe(2);
  });

  it('is rendered again when its output disappears from ComfyUI before it was fetched', async () => {
    const stores = await someStores();
    const stack = await openStack();
    const gpu = await aGpu(1000);
    const gate = await startGate(gpu.port);
    onTestFinished(() => gate.close());
    await stack.startWorker('w', [gate.url], { stores });
    const id = await stack.submit(LONG);
    await stack.running(id);
    // The output is not requested before it is gone.
    gate.shut();
    gpu.set({ stepMs: 0 });
    await until('ComfyUI has ended', () => lastEnd(gpu));
    await rm(join(gpu.dir, 'output'), { recursive: true, force: true });
    await mkdir(join(gpu.dir, 'output'));
    gate.open();
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await namesIn(stores.frames)).toEqual([`${id}_1.png`]);
    expect(starts(gpu)).toBe(2);
  });

  it('is rendered again and then fails with prompt_lost when ComfyUI sends its output byte by byte', async () => {
    const limits = { tools: { unreachableMs: 0, maxAttempts: 2 }, comfyTimeoutMs: 500 };
    const { stack, gpu } = await alone(limits);
    gpu.faults.add({ kind: 'slow_view', bytesPerSecond: 20 });
    const job = await stack.run();
    expect(job).toMatchObject({ status: 'failed', attempts: 2, outputs: [], error: { code: 'prompt_lost' } });
    expect(job.error?.detail).toContain('too slowly');
    expect(starts(gpu)).toBe(2);
  });

  it('is sent once more when the connection broke before ComfyUI accepted its prompt', async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'reset_before_accepting', times: 1 });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(1);
  });

  it('ends even if the socket is silent', async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'silent_socket' });
    const job = await stack.run();
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(job.finishedAt).toBeGreaterThanOrEqual(lastEnd(gpu)?.ended_at ?? Number.POSITIVE_INFINITY);
  });

  it('begins while outputs of the job before it are still being fetched', async () => {
    const { frames, ...others } = await someStores();
    const put: typeof frames.put = async (...picture) => {
      await until('the second has begun', () => starts(gpu) === 2);
      return frames.put(...picture);
    };
    const { stack, gpu } = await alone({ stores: { ...others, frames: { ...frames, put } } });
    const ids = [await stack.submit(), await stack.submit()];
    for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(2);
  });

  it('runs again when ComfyUI is restarted, and so does the job behind it', async () => {
    const { stack, gpu } = await alone();
    gpu.set({ stepMs: 1000 });
    const first = await stack.submit(LONG);
    await stack.running(first);
    const behind = await stack.submit();
    gpu.drop();
    await until('it was given again', async () => (await stack.record(first)).submissions > 1);
    gpu.set({ stepMs: 0 });
    expect(await stack.ended(first)).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it('fails with instance_killed when two instances died while they executed it', async () => {
    // The simulator restarts quickly: a poll could find the prompt gone before the socket's end is noticed.
    const { stack, gpu } = await alone({ tools: { pollMs: 60_000 } });
    gpu.set({ stepMs: 1000 });
    const id = await stack.submit(LONG);
    for (let attempt = 1; attempt <= 2; attempt++) {
      // The socket reports this, and its end shows that the instance died.
      await until('its steps are reported', async () => {
        const { attempts, progress } = await stack.record(id);
        return attempts === attempt && progress.step !== null;
      });
      gpu.drop();
    }
    const job = await stack.ended(id);
    expect(job).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'instance_killed' } });
  });

  it('is interrupted and fails with timed_out when it takes longer than its level of detail allows', async () => {
    const stack = await openStack();
    const gpu = await aGpu();
    await stack.startWorker('w', [gpu.url], { tools: { workflows: stack.workflowsWithin(5) } });
    gpu.faults.add({ kind: 'hang', times: 1 });
    const job = await stack.run();
    expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'timed_out' } });
    expect(gpu.journal().at(-1)).toMatchObject({ event: 'end', outcome: 'interrupted' });
    expect(await stack.run({ lod: 'final' })).toMatchObject({ status: 'succeeded' });
  });

  it.each([
    ['MAX_GPU_SECONDS', { maxGpuSeconds: 2 }, {}],
    ['its key', {}, { maxGpuSeconds: 2 }],
  ])('is interrupted and fails with timed_out when it takes longer than %s allows', async (_what, tools, request) => {
    const stack = await openStack();
    const gpu = await aGpu();
    await stack.startWorker('w', [gpu.url], { tools });
    gpu.faults.add({ kind: 'hang', times: 1 });
    const job = await stack.run(request);
    const detail = 'The execution took longer than 2 s, the most that this job may take, and was interrupted.';
    expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'timed_out', detail } });
    expect(gpu.journal().at(-1)).toMatchObject({ event: 'end', outcome: 'interrupted' });
    expect(await stack.run()).toMatchObject({ status: 'succeeded' });
  });
});

describe('after an out-of-memory error', () => {
  it('a job is retried on the same instance after freeing its memory', async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'out_of_memory', clearedByFree: true });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 2 });
  });

  it('a job fails when freeing memory did not help and there is no other GPU', async () => {
    const { stack, gpu } = await alone();
    gpu.faults.add({ kind: 'out_of_memory' });
    expect(await stack.run()).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'out_of_memory' } });
  });

  it('a job goes to the instance with the most memory after the second error', async () => {
    const { stack, bad: small, good: large } = await badAndGood({ vramBytes: 64 * 1024 ** 3 });
    expect(large.settings.vramBytes).toBeGreaterThan(small.settings.vramBytes);
    small.faults.add({ kind: 'out_of_memory' });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 3, instance: 'w/2' });
  });
});

describe('an instance that is always out of memory, beside another one with as much', () => {
  it('fails no job, and is given none of the workflow after the other instance has completed some', async () => {
    const { stack, bad, worker } = await badAndGood();
    bad.faults.add({ kind: 'out_of_memory', node: 'KSampler' });
    const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => stack.submit({ seed: `${n}` })));
    for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/2' });
    const scope = { workflow: 'text2img', key: 'anonymous' };
    expect(await worker.instance(1)).toMatchObject({ state: 'up', rests: [{ scope, code: 'out_of_memory' }] });
  });

  it('is not suspected for jobs that run out of memory on both', async () => {
    const { stack, bad, good, worker } = await badAndGood();
    for (const gpu of [bad, good]) gpu.faults.add({ kind: 'out_of_memory' });
    const ids = await Promise.all(Array.from({ length: 4 }, (_, n) => stack.submit({ seed: `${n}` })));
    for (const id of ids) {
      expect(await stack.ended(id)).toMatchObject({ status: 'failed', attempts: 3, error: { code: 'out_of_memory' } });
    }
    for (const n of [1, 2]) expect(await worker.instance(n)).toMatchObject({ state: 'up', rests: [] });
  });
});

describe('a job of a worker with two instances', () => {
  it('runs on the other one without an extra attempt when the first does not accept prompts', async () => {
    const { stack, bad, good } = await badAndGood();
    bad.faults.add({ kind: 'reset_before_accepting' });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1, instance: 'w/2', error: null });
    expect([starts(bad), starts(good)]).toEqual([0, 1]);
  });

  it('is rendered again on the other one when the first loses its prompts', async () => {
    const { stack, bad, good } = await badAndGood();
    bad.faults.add({ kind: 'lost_prompt' });
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 2, instance: 'w/2', error: null });
    expect([starts(bad), starts(good)]).toEqual([1, 1]);
  });

  it('runs on the other one without an extra attempt when the first is unreachable at submission', async () => {
    const { stack, bad, good } = await badAndGood();
    await bad.close();
    expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1, instance: 'w/2', error: null });
    expect(starts(good)).toBe(1);
  });
});

describe('a job is rendered once', () => {
  /** A worker with one instance that can be cut off. */
  async function behindAGate() {
    const stack = await openStack();
    const gpu = await aGpu();
    const gate = await startGate(gpu.port);
    onTestFinished(() => gate.close());
    const worker = await stack.startWorker('w', [gate.url], { comfyTimeoutMs: 200 });
    const outOfReach = () => until('it is out of reach', async () => (await worker.instance(1))?.state === 'down');
    return { stack, gpu, gate, outOfReach };
  }

  it('when ComfyUI accepts the prompt only after the request has timed out', async () => {
    const { stack, gpu, gate, outOfReach } = await behindAGate();
    gate.shut();
    const id = await stack.submit();
    await outOfReach();
    expect(starts(gpu)).toBe(0);
    gate.open();
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(1);
  });

  it('when ComfyUI is unreachable until the prompt has ended', async () => {
    const { stack, gpu, gate, outOfReach } = await behindAGate();
    gpu.set({ stepMs: 1000 });
    const id = await stack.submit(LONG);
    await stack.running(id);
    gate.shut();
    await outOfReach();
    gpu.set({ stepMs: 0 });
    await until('ComfyUI has ended', () => lastEnd(gpu));
    expect((await stack.record(id)).status).toBe('running');
    gate.open();
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(1);
  });

  it('when the folder for outputs cannot be written for longer than storing is retried', async () => {
    const dir = join(await aFolder(), 'frames');
    // Even root cannot create a folder where a file is.
    await writeFile(dir, 'a file where the folder is to be');
    const stores = { ...(await someStores()), frames: createFileFrames({ dir, owner: 'w' }) };
    const { stack, gpu, worker } = await alone({ stores });
    const id = await stack.submit();
    await until('it is known that none can be stored', async () => (await worker.announced())?.storeFault);
    await until('ComfyUI has ended', () => lastEnd(gpu));
    await rm(dir);
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(await namesIn(stores.frames)).toEqual([`${id}_1.png`]);
    expect(starts(gpu)).toBe(1);
  });

  it('when its worker stops while it collects, which leaves no partial file', async () => {
    const dir = await aFolder();
    const halves = async () => (await readdir(dir)).filter((name) => name.endsWith('.tmp'));
    const stores = { ...(await someStores()), frames: createFileFrames({ dir, owner: 'w' }) };
    const { stack, gpu, worker } = await alone({ stores });
    // The first 256 KiB of the picture, from which its size is read, arrive long before its end.
    gpu.faults.add({ kind: 'slow_view', bytesPerSecond: 200_000, times: 1 });
    const id = await stack.submit({ width: 768, height: 768 });
    await until('the picture is on its way', async () => (await halves()).length === 1);
    await worker.stop();
    expect(await readdir(dir)).toEqual([]);
    await stack.startWorker('w', [gpu.url], { stores });
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(await readdir(dir)).toEqual([`${id}_1.png`]);
    expect(starts(gpu)).toBe(1);
  });
});
