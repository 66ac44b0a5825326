import { createHash } from 'node:crypto';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createComfyClient } from '@comfy-fleet/comfyui';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, type FrameStore, type FrameStores, inputName, mediaFacts } from '@comfy-fleet/frames';
import { createMetrics } from '@comfy-fleet/telemetry';
import {
  claimNext,
  freePort,
  pictureFile,
  queueOf,
  removeFolder,
  type Simulator,
  startSimulator,
  until,
} from '@comfy-fleet/testing';
import { bindGraph, loadWorkflows, type Workflows } from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import type { WorkerOptions } from '../src/parts.js';
import { startWorker, type Worker } from '../src/worker.js';
import { openLedgers, quietLog } from './held.js';

/** For a worker that is killed: others get its jobs soon. */
const DEAD_LOCK_MS = 1000;

const REST_LIMITS = { failuresToRest: 3, firstRestMs: 300, longestRestMs: 2000 };

/** A simulated ComfyUI for the test, without previews by default. */
export async function aGpu(stepMs = 0, more: Parameters<typeof startSimulator>[0] = {}): Promise<Simulator> {
  const journal = join(await aFolder(), 'journal.jsonl');
  // Keeps the port while the simulator is closed.
  const port = more.port ?? (await freePort());
  const gpu = await startSimulator({ stepMs, journal, previewMethod: 'none', ...more, port });
  onTestFinished(() => gpu.close());
  return gpu;
}

/** A foreign prompt, submitted to ComfyUI directly; answers its id. */
export async function foreignPrompt(gpu: Simulator): Promise<string> {
  const prompt = JSON.parse(await readFile('workflows/text2img.json', 'utf8'));
  Object.assign(prompt[4].inputs, { width: 64, height: 64 });
  const answer = await fetch(`${gpu.url}/prompt`, { method: 'POST', body: JSON.stringify({ prompt }) });
  return ((await answer.json()) as { prompt_id: string }).prompt_id;
}

export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-worker-'));
  onTestFinished(() => removeFolder(folder));
  return folder;
}

/** Stores in a folder of the test. `over` replaces some of their functions. */
export async function someStores(
  over: Partial<FrameStore> = {},
): Promise<Pick<FrameStores, 'frames' | 'inputs' | 'fault'>> {
  const dir = await aFolder();
  const frames = { ...createFileFrames({ dir, owner: 'w' }), ...over };
  return { frames, inputs: createFileFrames({ dir: join(dir, 'inputs'), owner: 'w' }), fault: async () => undefined };
}

/**
 * Stores with one input picture, which the first `absences` lookups do not find, and the request of a job that starts
 * from it.
 */
export async function withInput(absences = 0) {
  const { inputs, ...others } = await someStores();
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#804020' } })
    .png()
    .toBuffer();
  const sha256 = createHash('sha256').update(png).digest('hex');
  await inputs.put(inputName(sha256), [png], { signal: new AbortController().signal });
  let looks = 0;
  const stat: typeof inputs.stat = async (name) => {
    looks += 1;
    return looks <= absences ? undefined : inputs.stat(name);
  };
  return {
    stores: { ...others, inputs: { ...inputs, stat } },
    request: { workflow: 'img2img', denoise: 0.5, image: pictureFile(sha256) },
  };
}

export async function namesIn(frames: FrameStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of frames.list()) names.push(name);
  return names;
}

type Given = Partial<Omit<WorkerOptions, 'tools'>> & {
  readonly stores?: WorkerOptions['stores'];
  readonly tools?: Partial<WorkerOptions['tools']>;
};

/** A ledger, and its workers in this process with ComfyUIs at these addresses. */
export async function openStack() {
  const ledgers = openLedgers();
  const workflows = await loadWorkflows('workflows');
  const ended = (id: string) =>
    until('the job has ended', async () => {
      const record = await ledgers.record(id);
      return record.phase === 'ended' && record;
    });
  return {
    ...ledgers,
    /** The longest execution of a sketch. */
    workflowsWithin: (deadlineSeconds: number): Workflows => ({
      ...workflows,
      profiles: { ...workflows.profiles, sketch: { ...workflows.profiles.sketch, deadlineSeconds } },
    }),
    /** Resolves when the worker claims jobs. */
    startWorker: async (name: string, comfyUrls: readonly string[], given: Given = {}) => {
      const log = quietLog();
      const metrics = createMetrics({ service: 'worker', log });
      const ledger = ledgers.worker(name);
      const { tools, pools = ['default'], stores = await someStores(), ...more } = given;
      let stopping: Promise<void> | undefined;
      const worker: Worker = await startWorker({
        name,
        instances: comfyUrls.map((url, index) => ({
          name: `${index + 1}`,
          url,
          headers: {},
          folders: { output: undefined, input: undefined, temp: undefined },
          pools,
        })),
        pools,
        ports: [],
        ledger,
        stores,
        minFreeBytes: 0,
        tools: {
          workflows,
          logPrompts: false,
          pollMs: 50,
          maxGpuSeconds: 3600,
          maxKeptPixels: 500_000_000,
          maxKeptNodes: 10_000,
          maxAttempts: 3,
          maxRefusals: 10,
          maxInstanceDeaths: 2,
          maxWorkerDeaths: 10,
          maxOutputBytes: 1024 ** 3,
          maxOutputs: 100,
          mediaFacts,
          storeRetryMs: 0,
          followWithinMs: 60_000,
          fastSaveBelowMs: 0,
          interruptGraceMs: 30_000,
          unreachableMs: 30_000,
          ...tools,
        },
        metrics,
        restLimits: REST_LIMITS,
        beginMs: 60_000,
        restart: undefined,
        warmUp: undefined,
        adoptWaitMs: 600_000,
        comfyTimeoutMs: 60_000,
        announceSeconds: 1,
        abilitiesSeconds: 60,
        movePatienceMs: 30_000,
        maxCatalogueBytes: 64 * 1024 * 1024,
        encodeAhead: { mode: 'on', leastSavedMs: 500 },
        modelSetup: undefined,
        onNameTaken: () => {},
        log,
        ...more,
      });
      const stop = (drainMs = 0) => {
        stopping ??= worker.stop(drainMs).then(() => ledger.close());
        return stopping;
      };
      onTestFinished(() => stop());
      const announced = async () => (await ledger.presence.workers()).find((found) => found.name === name);
      return {
        ...worker,
        stop,
        announced,
        /** The worker's announcement of its nth instance. */
        instance: async (n: number) => (await announced())?.instances[n - 1],
        /** Resolves when the worker has announced that all of its instances are up. */
        allUp: () =>
          until('all are up', async () => {
            const { instances = [] } = (await announced()) ?? {};
            return instances.length > 0 && instances.every(({ state }) => state === 'up');
          }),
        metrics: () => metrics.scrape(),
      };
    },
    /**
     * Simulates a worker of this name that claimed and submitted a waiting job and was killed, while its instance
     * executes the job.
     */
    leaveExecuting: async (worker: string, gpu: Simulator, nth = 1): Promise<void> => {
      const ledger = ledgers.worker(worker, DEAD_LOCK_MS);
      const source = await ledger.claims('default');
      const claim = await until('it is claimed', () => claimNext(source));
      const [promptId, instance] = [newId(), `${worker}/${nth}`];
      await claim.submit(promptId, instance);
      const { request } = claim.record;
      const workflow = workflows.byName.get(request.workflow);
      if (workflow === undefined) throw new Error(`no workflow ${request.workflow}`);
      const client = createComfyClient({ baseUrl: gpu.url, instance, headers: {}, timeoutMs: 30_000 });
      const signal = new AbortController().signal;
      await client.submit(
        bindGraph(workflow, request, {
          filenamePrefix: (await ledger.instanceNames()).outputPrefix(promptId),
          files: new Map(),
        }),
        {
          promptId,
          clientId: '',
          signal,
        },
      );
      await client.close();
      await until('it executes', async () => (await queueOf(gpu)).running.includes(promptId));
      await claim.start(promptId);
      claim.letGo();
      await source.close();
      await ledger.close();
    },
    running: (id: string) => until('it runs', async () => (await ledgers.record(id)).status === 'running'),
    ended,
    /** The ended job of this request. */
    run: async (overrides?: Parameters<typeof ledgers.submit>[0]) => ended(await ledgers.submit(overrides)),
  };
}
