import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { NewJob, NewOrder } from '@comfy-fleet/jobs';
import type { SimulatedJob } from './simulation.js';

export const POOL = 'default';
const MOST_IN_ORDER = 1000;
const START_WITHIN_MS = 86_400_000;
const PROMPT = 'a lighthouse in a storm at night, oil on canvas, heavy clouds, one ship far out at sea, warm light, 4';

/** The jobs as orders of their keys: each key's in the order in which they came. */
export function ordersOf(jobs: readonly SimulatedJob[], weights: ReadonlyMap<string, number>): NewOrder[] {
  const byKey = new Map<string, NewJob[][]>();
  for (const job of jobs) {
    const orders = byKey.get(job.key) ?? [];
    byKey.set(job.key, orders);
    const last = orders.at(-1);
    if (last === undefined || last.length >= MOST_IN_ORDER) orders.push([newJob(job)]);
    else last.push(newJob(job));
  }
  return [...byKey].flatMap(([caller, orders]) =>
    orders.map((jobs) => ({ jobs, caller, weight: weights.get(caller) ?? 1 })),
  );
}

/** As what `POST /generate` makes of a prompt of 100 characters. */
function newJob({ id, lod, priority }: SimulatedJob): NewJob {
  const request: ResolvedRequest = {
    workflow: 'text2img',
    version: '',
    lod,
    inputs: {
      prompt: PROMPT,
      negative_prompt: '',
      steps: 20,
      cfg: 5,
      sampler: 'euler_ancestral',
      scheduler: 'normal',
      seed: '1234567890123',
      width: 1024,
      height: 1024,
      count: 1,
      checkpoint: 'sd_xl_base_1.0.safetensors',
      denoise: 1,
    },
    priority,
    metadata: {},
  };
  return { id, kind: 'text2img', request, pool: POOL, startWithinMs: START_WITHIN_MS };
}
