import { jobClient } from '@comfy-fleet/testing';
import { type Goal, median, percentile, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { emptyImageWorkflows, smallJob } from '../../lib/small-job.js';
import { startProductionStack } from '../../lib/stack.js';
import { executionsTagged, perPrompt, ratio, readHistory, type Usage, usageOf } from './executions.js';
import { directFeed, type Feed, pollClient, serviceFeed } from './feeds.js';

export interface Real {
  readonly direct: Usage;
  readonly service: Usage;
  readonly poll: Usage;
  /** The time from the end of each execution to the job's `finished_at`, in milliseconds, one job after the other. */
  readonly finishMs: readonly number[];
}

export interface RealOptions {
  readonly url: string;
  readonly count: number;
  readonly polled: number;
  readonly finishes: number;
  readonly redisUrl: string;
  readonly print: (text: string) => void;
}

const WARM_UP = 50;

/**
 * Measures a real ComfyUI with graphs that need no checkpoint. Its GPU cannot be occupied until a backlog is complete,
 * so all measurements start with an empty queue. Times come from its history, so its clock must be that of this
 * machine.
 */
export async function measureRealComfyui(scope: Scope, options: RealOptions): Promise<Goal[]> {
  const real = await measureAll(scope, options);
  options.print(realTable(real));
  return realGoals(real);
}

function measureAll(all: Scope, { url, count, polled, finishes, redisUrl }: RealOptions): Promise<Real> {
  return all.inner(async (scope) => {
    const stack = await startProductionStack(scope, { redisUrl, workflowsDir: await emptyImageWorkflows(scope) });
    await stack.startWorker('bench', [url]);
    const direct = await directFeed(scope, [url]);
    const service = serviceFeed(stack.url, 1);
    const measure = async (feed: Feed, prompts: number) => {
      const tag = await feed.submit(prompts);
      await feed.done();
      return usageOf(executionsTagged(await readHistory(url), tag));
    };
    for (const feed of [direct, service]) await measure(feed, WARM_UP);
    const polling = await pollClient(scope, url, polled);
    return {
      direct: await measure(direct, count),
      service: await measure(service, count),
      poll: usageOf(executionsTagged(await readHistory(url), polling)),
      finishMs: await finishing(stack.url, url, finishes),
    };
  });
}

async function finishing(apiUrl: string, url: string, count: number): Promise<number[]> {
  const jobs = jobClient(apiUrl);
  const ms: number[] = [];
  for (let n = 0; n < count; n++) {
    const body = smallJob(`finish ${Date.now()} ${n}`, n);
    const job = await jobs.ended((await jobs.generate(body)).id);
    const [execution] = executionsTagged(await readHistory(url), body.prompt);
    if (execution === undefined || job.finished_at === null) throw new Error(`the job ended as ${job.status}`);
    ms.push(Date.parse(job.finished_at) - execution.endedAt);
  }
  return ms;
}

function realTable({ direct, service, poll, finishMs }: Real): string {
  const row = (name: string, usage: Usage) => [
    name,
    `${usage.prompts}`,
    usage.promptsPerSecond.toFixed(2),
    perPrompt(usage).toFixed(2),
    ratio(usage, direct).toFixed(3),
    `${usage.medianGapMs}`,
    `${usage.longestGapMs}`,
  ];
  const title = '64×64 EmptyImage → SaveImage, from the first start to the last end in its history; times in ms';
  const head = ['', 'prompts', 'per second', 'per prompt', 'of direct', 'gap p50', 'longest'];
  const rows = [row('all at once, directly', direct), row('the service', service), row('poll every second', poll)];
  const [p50, p95] = [50, 95].map((share) => percentile(finishMs, share).toFixed(0));
  return `${table(title, head, rows)}\n\nFrom its end to the job's finished_at: p50 ${p50} ms, p95 ${p95} ms (${finishMs.length} jobs)`;
}

function realGoals({ direct, service, finishMs }: Real): Goal[] {
  const added = perPrompt(service) - perPrompt(direct);
  return [
    { what: 'added to a prompt', value: added, unit: 'ms', bound: 'at most', limit: 3 },
    {
      what: 'from its end to succeeded, p50',
      value: median(finishMs),
      unit: 'ms',
      bound: 'at most',
      limit: 30,
    },
  ];
}
