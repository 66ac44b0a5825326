import { until } from '@comfy-fleet/testing';
import type { Gpu } from '../../lib/simulated-gpu.js';
import { type Execution, executionsIn } from './executions.js';
import type { Feed } from './feed.js';

/** How often the journals are read meanwhile; reading costs the machine that is being measured. */
const LOOK_MS = 250;
/** Beyond the ideal time, for giving up. */
const PATIENCE_MS = 60_000;

export interface Backlog {
  readonly gpus: readonly Gpu[];
  readonly feed: Feed;
  readonly promptMs: number;
  /** Prompts for all GPUs together. */
  readonly count: number;
}

/**
 * What the GPUs do with a backlog: they are held by one prompt each until everything is handed over, then let go. So
 * neither the accepting of the prompts nor the warming up is measured.
 */
export async function measureBacklog({ gpus, feed, promptMs, count }: Backlog): Promise<Execution[]> {
  for (const gpu of gpus) {
    await gpu.clear();
    await gpu.pace(promptMs);
    await gpu.hang();
  }
  const release = await feed.occupy();
  const isHeld = (gpu: Gpu) => gpu.journal().at(-1)?.event === 'start';
  await until('every GPU executes something', () => gpus.every(isHeld), { everyMs: 50 });
  await feed.submit(count);
  const since = Date.now();
  await release();
  const executions = () => gpus.flatMap((gpu) => executionsIn(gpu.journal(), since));
  const withinMs = (promptMs * count) / gpus.length + PATIENCE_MS;
  await until(`${count} prompts are executed`, () => executions().length >= count, { everyMs: LOOK_MS, withinMs });
  await feed.done();
  const all = executions();
  if (all.length !== count) throw new Error(`${count} prompts were handed over and ${all.length} were executed`);
  return all;
}
