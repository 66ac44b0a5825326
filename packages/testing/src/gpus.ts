import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '@comfy-fleet/simulator';
import { removeFolder } from './lifecycle.js';
import { freePort } from './ports.js';

/** The simulated ComfyUIs of a test file, each with its own journal. */
export interface Gpus {
  /**
   * `stepMs` is the time of one sampler step. Without `port` it takes a free one, which stays reserved after it stops.
   * It draws no previews, which would cost more than everything else.
   */
  start(stepMs: number, port?: number): Promise<Simulator>;
  /** Stops all of them and removes their files. */
  close(): Promise<void>;
}

export async function createGpus(): Promise<Gpus> {
  const folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-gpus-'));
  const started: Simulator[] = [];
  return {
    start: async (stepMs, port) => {
      const journal = join(folder, `${randomUUID()}.jsonl`);
      const gpu = await startSimulator({ stepMs, port: port ?? (await freePort()), journal, previewMethod: 'none' });
      started.push(gpu);
      return gpu;
    },
    close: async () => {
      await Promise.all(started.map((gpu) => gpu.close()));
      await removeFolder(folder);
    },
  };
}

/** How many executions have begun on it. */
export function starts(gpu: Simulator): number {
  return gpu.journal().filter(({ event }) => event === 'start').length;
}

/** The latest execution that has ended on it; undefined if none has. */
export function lastEnd(gpu: Simulator) {
  return gpu.journal().findLast((line) => line.event === 'end');
}

/** The prompt ids in its queue. */
export async function queueOf({ url }: Simulator): Promise<{ running: string[]; pending: string[] }> {
  const answer = await fetch(`${url}/queue`, { signal: AbortSignal.timeout(60_000) });
  const queue = (await answer.json()) as Record<'queue_running' | 'queue_pending', [unknown, string][]>;
  const ids = (prompts: [unknown, string][]) => prompts.map(([, id]) => id);
  return { running: ids(queue.queue_running), pending: ids(queue.queue_pending) };
}
