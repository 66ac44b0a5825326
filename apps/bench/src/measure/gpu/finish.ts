import { type JobClient, jobClient } from '@comfy-fleet/testing';
import { type Goal, median, percentile, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type Gpu, startGpu, startProductionStack } from '../../lib/stack.js';
import { WORKFLOWS_DIR } from '../../local.js';
import { executionsIn } from './executions.js';

export interface Finish {
  /** The size of the picture in pixels and bytes. */
  readonly side: number;
  readonly bytes: number;
  /** The time from the end of each execution to the job's `finished_at`, in milliseconds. */
  readonly ms: readonly number[];
}

const WANTED_BYTES = 1_500_000;
const FIRST_SIDE = 1024;
const SIZE_STEP = 8;
const WARM_UP = 4;

/**
 * Runs one job after the other with a picture of about 1.5 MB, and measures how long after the end of the execution it
 * succeeds. The picture is the same each time, because drawing it takes CPU time that a GPU would not take.
 */
export async function measureFinish(scope: Scope, options: FinishOptions): Promise<Goal[]> {
  options.print('measuring the time from the end of an execution to succeeded');
  const { side, bytes, ms } = await measure(scope, options);
  options.print(
    table(
      "From ComfyUI's end to the job's finished_at, in ms, one job after the other",
      ['picture', 'bytes', 'jobs', 'p50', 'p95', 'longest'],
      [[`${side}×${side}`, bytes, ms.length, ...[50, 95, 100].map((share) => percentile(ms, share).toFixed(0))]],
    ),
  );
  const what = "from ComfyUI's end to succeeded, p50";
  return [{ what, value: median(ms), unit: 'ms', bound: 'at most', limit: 30 }];
}

interface FinishOptions {
  readonly count: number;
  readonly redisUrl: string;
  readonly print: (text: string) => void;
}

function measure(all: Scope, { count, redisUrl }: FinishOptions): Promise<Finish> {
  return all.inner(async (scope) => {
    const gpu = await startGpu(scope);
    const stack = await startProductionStack(scope, { redisUrl, workflowsDir: WORKFLOWS_DIR });
    await stack.startWorker('bench', [gpu.url]);
    const jobs = jobClient(stack.url);
    let side = FIRST_SIDE;
    let bytes = 0;
    for (let n = 0; n < WARM_UP; n++) {
      side = bytes === 0 ? side : nearbySide(side * Math.sqrt(WANTED_BYTES / bytes));
      ({ bytes } = await render(jobs, side));
    }
    const ms: number[] = [];
    for (let n = 0; n < count; n++) ms.push(await lag(gpu, jobs, side));
    return { side, bytes, ms };
  });
}

const nearbySide = (side: number) => SIZE_STEP * Math.round(side / SIZE_STEP);

async function render(jobs: JobClient, side: number): Promise<{ bytes: number; finishedAt: number }> {
  const body = { prompt: 'a lighthouse in a storm', lod: 'sketch', seed: 1, width: side, height: side };
  const job = await jobs.ended((await jobs.generate(body)).id);
  const [image] = job.images;
  if (image === undefined || job.finished_at === null) throw new Error(`the job ended as ${job.status}`);
  return { bytes: image.bytes, finishedAt: Date.parse(job.finished_at) };
}

async function lag(gpu: Gpu, jobs: JobClient, side: number): Promise<number> {
  const since = Date.now();
  const { finishedAt } = await render(jobs, side);
  const [execution, ...others] = executionsIn(gpu.journal(), since);
  if (execution === undefined || others.length > 0) throw new Error('one job was not one execution');
  return finishedAt - execution.endedAt;
}
