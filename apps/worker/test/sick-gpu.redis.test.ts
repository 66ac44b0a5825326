import type { Simulator } from '@comfy-fleet/testing';
import { starts, until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

type Stack = Awaited<ReturnType<typeof openStack>>;
type StackWorker = Awaited<ReturnType<Stack['startWorker']>>;

const CUDA = 'CUDA error: an illegal memory access was encountered';

/** The error of every prompt on a faulty instance, by the kind of the error. */
const KNOWN = {
  gpu_failed: ['RuntimeError', CUDA],
  instance_io_failed: ['OSError', '[Errno 28] No space left on device'],
  model_unreadable: ['safetensors_rust.SafetensorError', 'Error while deserializing header: HeaderTooLarge'],
  library_missing: ['ModuleNotFoundError', "No module named 'xformers'"],
} as const;

function sicken(gpu: Simulator, [exceptionType, message]: readonly [string, string] = KNOWN.gpu_failed): void {
  gpu.faults.add({ kind: 'node_error', exceptionType, message });
}

async function aBacklog(stack: Stack, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => stack.submit({ seed: `${n}` })));
}

async function statusesOf(stack: Stack, ids: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const id of ids) {
    const { status } = await stack.ended(id);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/**
 * The worker's first instance is faulty, rests, and has no job: from now on it gets one more job after each rest, which
 * starts the next rest. How many it began before its first rest depends on the speed of the machine.
 */
async function expectTrialsAlone(stack: Stack, worker: StackWorker, sick: Simulator): Promise<void> {
  const restForAll = () =>
    until('it rests for the jobs of every key', async () => {
      const rests = (await worker.instance(1))?.rests ?? [];
      return rests.find(({ scope }) => scope.key === undefined);
    });
  const { count } = await restForAll();
  const begun = starts(sick);
  expect(await statusesOf(stack, await aBacklog(stack, 24))).toEqual({ succeeded: 24 });
  await expect
    .poll(async () => (await restForAll()).count - count, { message: 'rests since' })
    .toBeGreaterThanOrEqual(starts(sick) - begun);
}

describe('two instances, one of which fails every prompt at once', () => {
  it.each(Object.entries(KNOWN))(
    'no job fails for %s, and the sick one is named and given little',
    async (code, fault) => {
      const stack = await openStack();
      const [sick, well] = [await aGpu(), await aGpu()];
      sicken(sick, fault);
      const worker = await stack.startWorker('w', [sick.url, well.url]);
      await worker.allUp();
      const ids = await aBacklog(stack, 24);
      expect(await statusesOf(stack, ids)).toEqual({ succeeded: 24 });
      const rests = await until('it is announced', async () => {
        const found = (await worker.announced())?.instances[0]?.rests ?? [];
        return found.length > 0 && found;
      });
      expect(rests[0]).toMatchObject({ code });
      expect(await worker.metrics()).toMatch(
        new RegExp(`^comfy_fleet_instance_rests\\{instance="w/1",scope="\\w+",code="${code}"\\} 1$`, 'm'),
      );
      await expectTrialsAlone(stack, worker, sick);
    },
  );

  it('at most one job fails for an error of an unknown kind', async () => {
    const stack = await openStack();
    const [sick, well] = [await aGpu(), await aGpu()];
    sicken(sick, ['RuntimeError', 'the flux capacitor is empty']);
    const worker = await stack.startWorker('w', [sick.url, well.url]);
    await worker.allUp();
    const { failed = 0, succeeded } = await statusesOf(stack, await aBacklog(stack, 40));
    expect(failed).toBeLessThanOrEqual(1);
    expect(succeeded).toBe(40 - failed);
    await expectTrialsAlone(stack, worker, sick);
  });

  it('the same holds when each has its own worker, which receives cross-checks of its jobs', async () => {
    const stack = await openStack();
    const [sick, well] = [await aGpu(), await aGpu()];
    sicken(sick, ['RuntimeError', 'the flux capacitor is empty']);
    const worker = await stack.startWorker('sick', [sick.url]);
    const other = await stack.startWorker('well', [well.url]);
    await Promise.all([worker.allUp(), other.allUp()]);
    // Otherwise the other one might finish all jobs before the faulty one is up.
    well.faults.add({ kind: 'dead_executor' });
    const ids = await aBacklog(stack, 40);
    await until('the sick one has begun two', () => starts(sick) > 1);
    well.faults.remove();
    const { failed = 0 } = await statusesOf(stack, ids);
    expect(failed).toBeLessThanOrEqual(1);
    await expect.poll(() => worker.metrics()).toMatch(/^comfy_fleet_instance_rests\{instance="sick\/1",.*\} 1$/m);
  });
});

describe('one instance alone', () => {
  it('jobs wait after a known kind of error, which does not count against them, and continue when the instance has recovered', async () => {
    const stack = await openStack();
    const gpu = await aGpu();
    sicken(gpu);
    const worker = await stack.startWorker('w', [gpu.url]);
    const ids = await aBacklog(stack, 20);
    await until('it was tried twice', () => starts(gpu) > 2);
    const { reason } = await until('it rests', async () => {
      const found = (await worker.announced())?.instances[0];
      return found?.state === 'resting' && found;
    });
    expect(reason).toContain(CUDA);
    gpu.faults.remove();
    expect(await statusesOf(stack, ids)).toEqual({ succeeded: 20 });
    for (const id of ids) {
      const { attempts, faultyAttempts } = await stack.record(id);
      expect(attempts - faultyAttempts).toBe(1);
    }
    await until('it is up', async () => (await worker.announced())?.instances[0]?.state === 'up');
  });

  it('a row of failures of an unknown kind makes the instance rest, so that most of the backlog survives until it has recovered', async () => {
    const stack = await openStack();
    const gpu = await aGpu();
    sicken(gpu, ['RuntimeError', 'the flux capacitor is empty']);
    const worker = await stack.startWorker('w', [gpu.url]);
    const ids = await aBacklog(stack, 20);
    await until('it rests', async () => ((await worker.announced())?.instances[0]?.rests ?? []).length > 0);
    gpu.faults.remove();
    const { failed = 0 } = await statusesOf(stack, ids);
    expect(failed).toBeLessThanOrEqual(2);
  });
});

describe('an instance that rests', () => {
  it('is up as soon as its ComfyUI was restarted and passes a test prompt, without a trial job', async () => {
    const stack = await openStack();
    const gpu = await aGpu();
    sicken(gpu);
    const restLimits = { failuresToRest: 3, firstRestMs: 600_000, longestRestMs: 600_000 };
    const worker = await stack.startWorker('w', [gpu.url], { restLimits });
    const id = await stack.submit();
    await until('it rests', async () => (await worker.instance(1))?.state === 'resting');
    gpu.faults.remove();
    await stack.cancel(id);
    gpu.drop();
    await worker.allUp();
    expect((await worker.instance(1))?.rests).toEqual([]);
    expect(await stack.run({ seed: '2' })).toMatchObject({ status: 'succeeded' });
  });
});

describe('jobs that are at fault themselves', () => {
  it('fail and name the two instances where they failed alike, while the instances continue with other jobs', async () => {
    const stack = await openStack();
    const gpus = [await aGpu(), await aGpu()];
    for (const gpu of gpus) {
      gpu.faults.add({
        kind: 'node_error',
        node: 'LoadImage',
        exceptionType: 'ValueError',
        message: 'no such picture',
      });
    }
    for (const gpu of gpus) {
      gpu.faults.add({
        kind: 'node_error',
        node: 'KSampler',
        exceptionType: 'ValueError',
        message: 'no such sampler',
      });
    }
    const worker = await stack.startWorker(
      'w',
      gpus.map(({ url }) => url),
    );
    await worker.allUp();
    const bad = await aBacklog(stack, 12);
    expect(await statusesOf(stack, bad)).toEqual({ failed: 12 });
    const details = await Promise.all(bad.map(async (id) => (await stack.record(id)).error?.detail ?? ''));
    // Either of the two may have had the job first.
    const alike = /It failed alike on (w\/1 and w\/2|w\/2 and w\/1), so the job is at fault\.$/;
    expect(details).toContainEqual(expect.stringMatching(alike));
    for (const gpu of gpus) gpu.faults.remove();
    expect(await statusesOf(stack, await aBacklog(stack, 4))).toEqual({ succeeded: 4 });
    await worker.allUp();
  });
});

describe('an instance that is faulty for a part of its work', () => {
  it('gets no jobs with the corrupt checkpoint, and continues with the other', async () => {
    const stack = await openStack();
    const [sick, well] = [await aGpu(), await aGpu()];
    const corrupt = 'v1-5-pruned-emaonly.safetensors';
    sick.faults.add({ kind: 'corrupt_model', file: corrupt });
    const worker = await stack.startWorker('w', [sick.url, well.url]);
    await worker.allUp();
    const bad = await Promise.all(
      Array.from({ length: 15 }, (_, n) => stack.submit({ seed: `${n}`, checkpoint: corrupt })),
    );
    const good = await aBacklog(stack, 15);
    expect(await statusesOf(stack, [...bad, ...good])).toEqual({ succeeded: 30 });
    await expect
      .poll(() => worker.instance(1))
      .toMatchObject({ state: 'up', rests: [{ scope: { checkpoint: corrupt }, code: 'model_unreadable' }] });
    await until('it has done one with the other', async () => {
      await stack.run();
      return sick.journal().some((line) => line.event === 'end' && line.outcome === 'success');
    });
  });
});

describe('an instance that accepts prompts and begins none', () => {
  it('loses its jobs to the other one after a bound, without extra attempts, rests, and then gets one trial job', async () => {
    const stack = await openStack();
    const [dead, well] = [await aGpu(), await aGpu()];
    dead.faults.add({ kind: 'dead_executor' });
    const worker = await stack.startWorker('w', [dead.url, well.url], { beginMs: 300 });
    const ids = await aBacklog(stack, 12);
    expect(await statusesOf(stack, ids)).toEqual({ succeeded: 12 });
    for (const id of ids) expect((await stack.record(id)).attempts).toBe(1);
    const named = await until('it is named', async () => {
      const found = await worker.instance(1);
      if (found?.state === 'resting') return found;
      // Its jobs may have moved to the other instance, which was idle, before the fault was detected.
      await stack.run();
      return undefined;
    });
    expect(named.reason).toContain('did not begin');
    dead.faults.remove();
    const more = await aBacklog(stack, 4);
    expect(await statusesOf(stack, more)).toEqual({ succeeded: 4 });
    await until('it was tried and is up', async () => {
      const [id] = await aBacklog(stack, 1);
      await stack.ended(id as string);
      return (await worker.announced())?.instances[0]?.state === 'up';
    });
  });
});
