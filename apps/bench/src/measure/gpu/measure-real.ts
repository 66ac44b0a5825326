import { jobClient } from '@comfy-fleet/testing';
import { emptyImageWorkflows, smallJob } from '../../lib/empty-image.js';
import { startProductionStack } from '../../lib/production-stack.js';
import type { Scope } from '../../lib/scope.js';
import { directFeed } from './direct-feed.js';
import type { Feed } from './feed.js';
import { executionsTagged, readHistory } from './history.js';
import { pollClient } from './poll-client.js';
import { serviceFeed } from './service-feed.js';
import { type Usage, usageOf } from './usage.js';

export interface Real {
  readonly direct: Usage;
  readonly service: Usage;
  readonly poll: Usage;
  /** From the end of each execution to its job's `finished_at`, in milliseconds, one job after the other. */
  readonly finishMs: readonly number[];
}

export interface RealOptions {
  readonly url: string;
  readonly count: number;
  readonly polled: number;
  readonly finishes: number;
  readonly redisUrl: string;
}

const WARM_UP = 50;

/**
 * A real ComfyUI with graphs that need no checkpoint. Nothing can hold its GPU until a backlog is complete, so both ways
 * begin with an empty queue; it has no journal, so the times are those of its history. Its clock is to be this machine's.
 */
export function measureReal(all: Scope, { url, count, polled, finishes, redisUrl }: RealOptions): Promise<Real> {
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
