import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileFrames, type FrameStore, type FrameStores } from '@comfy-fleet/frames';
import { createMetrics } from '@comfy-fleet/telemetry';
import { type Simulator, startSimulator, until } from '@comfy-fleet/testing';
import { askedOfInstances, loadWorkflows, type Workflows } from '@comfy-fleet/workflows';
import { onTestFinished } from 'vitest';
import { createInstruments } from '../src/reporting/instruments.js';
import { startWorker, type Worker, type WorkerOptions } from '../src/worker.js';
import { openLedgers, quietLog } from './held.js';

/** A simulated ComfyUI of the test's own, which draws no previews. */
export async function aGpu(stepMs = 0): Promise<Simulator> {
  const folder = await aFolder();
  const gpu = await startSimulator({ stepMs, journal: join(folder, 'journal.jsonl'), previewMethod: 'none' });
  onTestFinished(() => gpu.close());
  return gpu;
}

export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-worker-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Stores in a folder of the test's own. What `over` has stands before it. */
export async function someStores(
  over: Partial<FrameStore> = {},
): Promise<Pick<FrameStores, 'frames' | 'inputs' | 'fault'>> {
  const dir = await aFolder();
  const frames = { ...createFileFrames({ dir, owner: 'w' }), ...over };
  return { frames, inputs: createFileFrames({ dir: join(dir, 'inputs'), owner: 'w' }), fault: async () => undefined };
}

type Given = Partial<Omit<WorkerOptions, 'tools'>> & {
  readonly stores?: WorkerOptions['stores'];
  readonly tools?: Partial<WorkerOptions['tools']>;
};

/** A ledger and workers of it in this process, over the ComfyUIs at these addresses. */
export async function openStack() {
  const ledgers = openLedgers();
  const workflows = await loadWorkflows('workflows');
  return {
    ...ledgers,
    /** With this longest execution for a sketch. */
    workflowsWithin: (deadlineSeconds: number): Workflows => ({
      ...workflows,
      profiles: { ...workflows.profiles, sketch: { ...workflows.profiles.sketch, deadlineSeconds } },
    }),
    /** Resolves when it claims. */
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
          folders: { output: undefined, input: undefined },
          pools,
        })),
        pools,
        ledger,
        stores,
        minFreeBytes: 0,
        tools: {
          workflows,
          asked: askedOfInstances(workflows.templates.values()),
          instruments: createInstruments(metrics),
          logPrompts: false,
          pollMs: 50,
          maxAttempts: 3,
          maxRefusals: 10,
          maxInstanceDeaths: 2,
          maxWorkerDeaths: 10,
          storeRetryMs: 0,
          interruptGraceMs: 30_000,
          ...tools,
        },
        restLimits: { failuresToRest: 3, firstRestMs: 300, longestRestMs: 2000 },
        beginMs: 60_000,
        restart: undefined,
        adoptWaitMs: 60_000,
        comfyTimeoutMs: 5000,
        announceSeconds: 1,
        abilitiesSeconds: 60,
        onNameTaken: () => {},
        log,
        ...more,
      });
      const stop = (drainMs = 0) => {
        stopping ??= worker.stop(drainMs).then(() => ledger.close());
        return stopping;
      };
      onTestFinished(() => stop());
      return {
        ...worker,
        stop,
        /** How the worker says that its nth instance stands. */
        instance: async (n: number) => {
          const found = (await ledger.workers()).find((one) => one.name === name);
          return found?.instances[n - 1];
        },
        announced: async () => (await ledger.workers()).find((found) => found.name === name),
        metrics: () => metrics.scrape(),
      };
    },
    ended: (id: string) =>
      until('the job has ended', async () => {
        const record = await ledgers.record(id);
        return record.phase === 'ended' && record;
      }),
  };
}
