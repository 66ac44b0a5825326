import { queueOf, type Simulator, starts, until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { aGpu, foreignPrompt, openStack } from './worker-stack.js';

const LONG = { steps: 150 };

/** Otherwise a job waits for ten seconds before it moves to an instance that has to load its checkpoint. */
const knowQuickLoads = (stack: Awaited<ReturnType<typeof openStack>>) =>
  stack.worker('earlier').loadTimes.learn('sd_xl_base_1.0.safetensors', 10);

const waitsIn = (gpu: Simulator) =>
  until('one waits behind another', async () => {
    const { running, pending } = await queueOf(gpu);
    return running.length === 1 && pending.length === 1;
  });

it('runs jobs with the text of the last one before others, so that it is encoded once', async () => {
  const stack = await openStack();
  const prompts = ['a fox', 'a cat', 'a fox', 'a cat', 'a fox', 'a cat', 'a fox', 'a cat'];
  const ids: string[] = [];
  for (const [seed, prompt] of prompts.entries()) ids.push(await stack.submit({ prompt, seed: `${seed}` }));
  // Steps that take time, so that no two jobs begin in the same millisecond.
  await stack.startWorker('w', [(await aGpu(5)).url]);
  const ended = await Promise.all(ids.map(stack.ended));
  const inOrder = ended
    .sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0))
    .map(({ request }) => request.inputs.prompt);
  // The first ones are chosen before the instance has encoded anything. In order of arrival it would be seven.
  expect(inOrder.filter((prompt, n) => n > 0 && prompt !== inOrder[n - 1]).length).toBeLessThanOrEqual(3);
});

it('serves the pools of a worker in turn, however many jobs wait in the first one', async () => {
  const stack = await openStack();
  const ids: string[] = [];
  for (let n = 0; n < 10; n++) ids.push(await stack.submit());
  for (let n = 0; n < 2; n++) ids.push(await stack.submit({}, 'small'));
  // Steps that take time, so that no two jobs begin in the same millisecond.
  await stack.startWorker('w', [(await aGpu(5)).url], { pools: ['default', 'small'] });
  const ended = await Promise.all(ids.map(stack.ended));
  const inOrder = ended.sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0)).map(({ pool }) => pool);
  expect(inOrder.lastIndexOf('small')).toBeLessThan(8);
});

describe('the instance that gets a job', () => {
  it('is the busy one, for one prompt behind the running one and no more', async () => {
    const stack = await openStack();
    const gpu = await aGpu(1000);
    await stack.startWorker('w', [gpu.url]);
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push(await stack.submit(LONG));
    await waitsIn(gpu);
    const ahead = await Promise.all(ids.map(async (id) => (await stack.ledger.jobs.get(id))?.ahead));
    expect(ahead).toEqual([null, null, 0, 1]);
    gpu.set({ stepMs: 0 });
    for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(4);
  });

  it('is an idle one before any gets a second job', async () => {
    const stack = await openStack();
    const gpus = [await aGpu(1000), await aGpu(1000), await aGpu(1000)];
    const worker = await stack.startWorker(
      'w',
      gpus.map(({ url }) => url),
    );
    await worker.allUp();
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await stack.submit(LONG));
    for (const id of ids) await stack.running(id);
    expect(gpus.map(starts)).toEqual([1, 1, 1]);
  });

  it('is one that serves its pool', async () => {
    const stack = await openStack();
    const [small, large, both] = [await aGpu(), await aGpu(), await aGpu()];
    const first = await stack.startWorker('small', [small.url], { pools: ['small'] });
    await stack.startWorker('large', [large.url]);
    const ids: string[] = [];
    for (const pool of ['small', 'default', 'small', 'default']) ids.push(await stack.submit({}, pool));
    const ended = await Promise.all(ids.map(stack.ended));
    expect(ended.map(({ instance }) => instance)).toEqual(['small/1', 'large/1', 'small/1', 'large/1']);
    await first.stop();
    const waiting = await stack.submit({}, 'small');
    await stack.run();
    expect((await stack.record(waiting)).phase).toBe('waiting');
    await stack.startWorker('both', [both.url], { pools: ['default', 'small'] });
    expect(await stack.ended(waiting)).toMatchObject({ status: 'succeeded', instance: 'both/1' });
  });

  it('is the one that has its checkpoint, according to what each instance reports', async () => {
    const stack = await openStack();
    const [poor, rich] = [await aGpu(), await aGpu()];
    rich.set({ checkpoints: [...rich.settings.checkpoints, 'fox.safetensors'] });
    const worker = await stack.startWorker('w', [poor.url, rich.url]);
    const [lacks, has] = await until('both said what they have', async () => {
      const said = await stack.ledger.fleet.abilities('default', ['CheckpointLoaderSimple']);
      return said.length === 2 && [...said].sort((a, b) => a.instance.localeCompare(b.instance));
    });
    expect(JSON.stringify(lacks?.abilities)).not.toContain('fox.safetensors');
    expect(JSON.stringify(has?.abilities)).toContain('fox.safetensors');
    for (let n = 0; n < 3; n++) {
      const job = await stack.run({ checkpoint: 'fox.safetensors' });
      expect(job).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
    }
    await until('all are counted', async () => (await worker.instance(2))?.done === 3);
    expect(await worker.instance(2)).toMatchObject({ checkpoint: 'fox.safetensors', failed: 0 });
  });

  it('is one that has its node classes, including those that its ComfyUI replaces', async () => {
    const stack = await openStack();
    const [old, recent] = [await aGpu(0, { version: '0.3.64' }), await aGpu(0, { version: '0.33.0' })];
    await stack.startWorker('w', [old.url, recent.url]);
    const classes = ['SDV_img2vid_Conditioning', 'BatchImagesNode', 'VAELoader'];
    const said = await until('both said what they have', async () => {
      const all = await stack.ledger.fleet.abilities('default', classes);
      return all.length === 2 && new Map(all.map(({ instance, abilities }) => [instance, Object.keys(abilities)]));
    });
    expect(said.get('w/1')).toEqual(['VAELoader']);
    expect(said.get('w/2')).toEqual(classes);
  });

  it('is another one when the one that had its checkpoint has lost it', async () => {
    const stack = await openStack();
    const [first, second] = [await aGpu(), await aGpu()];
    const all = first.settings.checkpoints;
    const worker = await stack.startWorker('w', [first.url, second.url]);
    await until(
      'both said what they have',
      async () => (await stack.ledger.fleet.abilities('default', ['CheckpointLoaderSimple'])).length === 2,
    );
    await worker.allUp();
    first.set({ checkpoints: all.slice(1) });
    const job = await stack.run({ checkpoint: all[0] as string });
    expect(job).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
  });
});

describe('a job that waits behind another', () => {
  it('moves to an instance of the same worker that comes up', async () => {
    const stack = await openStack();
    await knowQuickLoads(stack);
    const [first, late] = [await aGpu(1000), await aGpu()];
    await late.close();
    await stack.startWorker('w', [first.url, late.url]);
    const a = await stack.submit(LONG);
    await stack.running(a);
    const b = await stack.submit(LONG);
    await waitsIn(first);
    const back = await aGpu(0, { port: late.port });
    expect(await stack.ended(b)).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
    expect([starts(first), starts(back)]).toEqual([1, 1]);
    expect((await stack.record(a)).status).toBe('running');
  });

  it("is handed over to another worker's idle instance", async () => {
    const stack = await openStack();
    await knowQuickLoads(stack);
    const [first, second] = [await aGpu(1000), await aGpu()];
    await stack.startWorker('a', [first.url]);
    const long = await stack.submit(LONG);
    await stack.running(long);
    const behind = await stack.submit(LONG);
    await waitsIn(first);
    await stack.startWorker('b', [second.url]);
    expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
    expect([starts(first), starts(second)]).toEqual([1, 1]);
    expect((await stack.record(long)).status).toBe('running');
  });

  it("is handed over when it waits behind somebody else's prompt", async () => {
    const stack = await openStack();
    const [shared, idle] = [await aGpu(), await aGpu()];
    shared.faults.add({ kind: 'hang' });
    await stack.startWorker('a', [shared.url]);
    await foreignPrompt(shared);
    const id = await stack.submit();
    await waitsIn(shared);
    await stack.startWorker('b', [idle.url]);
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
    expect((await queueOf(shared)).running).toHaveLength(1);
  });

  it('is taken back at once when its worker stops', async () => {
    const stack = await openStack();
    const [first, second] = [await aGpu(1000), await aGpu()];
    const a = await stack.startWorker('a', [first.url]);
    const long = await stack.submit(LONG);
    await stack.running(long);
    const behind = await stack.submit(LONG);
    await waitsIn(first);
    const stopped = a.stop(600_000);
    await until('it was taken out', async () => (await queueOf(first)).pending.length === 0);
    await stack.startWorker('b', [second.url]);
    expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
    first.set({ stepMs: 0 });
    await stopped;
    expect(await stack.record(long)).toMatchObject({ status: 'succeeded', instance: 'a/1', attempts: 1 });
  });
});

it('an instance is announced with its running and waiting jobs', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const worker = await stack.startWorker('w', [gpu.url]);
  const first = await stack.submit(LONG);
  await stack.running(first);
  const [second] = [await stack.submit(LONG), await stack.submit(LONG)];
  const shown = await until('one runs and one waits', async () => {
    const found = await worker.instance(1);
    if (found === undefined || found.waiting[0] !== second || found.busyShare === 0) return undefined;
    return found.running?.job === first && found;
  });
  expect(shown.waiting).toHaveLength(1);
});

it('jobs behind a long one are not submitted repeatedly while the idle instance beside it is suspect of them', async () => {
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
  // At most: to the suspect instance, taken back when it fails another job, to the busy one, to the suspect one as its
  // trial, and back.
  for (const { submissions } of await records()) expect(submissions).toBeLessThanOrEqual(4);
});
