import { jobClient, startRedisServer, startWebhookSink } from '@comfy-fleet/testing';
import { type Goal, median, p, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { emptyImageWorkflows, smallJob } from '../../lib/small-job.js';
import { startGpu, startProductionStack } from '../../lib/stack.js';

const WARM_UP = 5;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

interface Event {
  readonly type: string;
  readonly data: { readonly id: string; readonly finished_at: string };
}

/** Runs one job after the other, and measures the ms from `finished_at` until the receiver answers the webhook. */
export async function measureWebhooks(
  scope: Scope,
  { count, print }: { readonly count: number; readonly print: (text: string) => void },
): Promise<Goal[]> {
  print('measuring webhooks');
  const ms = await deliveryTimes(scope, count);
  print(
    table(
      "From a job's finished_at to its receiver's 200, in ms, one job after the other",
      ['webhooks', 'p50', 'p95', 'p99', 'longest'],
      [[ms.length, p(ms, 50), p(ms, 95), p(ms, 99), p(ms, 100)]],
    ),
  );
  const what = "from succeeded to the receiver's 200, p50";
  return [{ what, value: median(ms), unit: 'ms', bound: 'at most', limit: 20 }];
}

function deliveryTimes(all: Scope, count: number): Promise<number[]> {
  return all.inner(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    const gpu = await startGpu(scope);
    const stack = await startProductionStack(scope, {
      redisUrl: redis.url,
      workflowsDir: await emptyImageWorkflows(scope),
      env: { WEBHOOK_ALLOW: '127.0.0.1' },
    });
    await stack.startWorker('bench', [gpu.url]);
    const sink = await startWebhookSink();
    scope.onClose(() => sink.close());
    const jobs = jobClient(stack.url);
    const ms: number[] = [];
    for (let n = 1; n <= WARM_UP + count; n++) {
      const { id } = await jobs.generate({ ...smallJob('a webhook', n), webhook: { url: sink.url, secret: SECRET } });
      const webhook = (await sink.got(n)).at(-1);
      const { type, data } = JSON.parse(webhook?.body ?? '{}') as Event;
      if (type !== 'job.succeeded' || data.id !== id) throw new Error(`the webhook of ${id} is ${webhook?.body}`);
      if (n > WARM_UP) ms.push((webhook?.at ?? 0) - Date.parse(data.finished_at));
    }
    return ms;
  });
}
