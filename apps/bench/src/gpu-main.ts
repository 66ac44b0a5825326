import { startRedisServer } from '@comfy-fleet/testing';
import { directFeed } from './gpu/direct-feed.js';
import { startGpu } from './gpu/gpu.js';
import { measureBacklog } from './gpu/measure-backlog.js';
import { scoped } from './gpu/scope.js';
import { startBenchFleet } from './gpu/service.js';
import { serviceFeed } from './gpu/service-feed.js';
import { usageOf } from './gpu/statistics.js';
import { emptyImageWorkflows } from './gpu/workflow.js';

await scoped(async (scope) => {
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const workflowsDir = await emptyImageWorkflows(scope);
  for (const n of [1, 4]) {
    await scoped(async (inner) => {
      const gpus = await Promise.all(Array.from({ length: n }, () => startGpu(inner)));
      const urls = gpus.map(({ url }) => url);
      const fleet = await startBenchFleet(inner, { redisUrl: redis.url, workflowsDir });
      const direct = await directFeed(inner, urls);
      await fleet.startWorker('bench', urls);
      const service = serviceFeed(fleet.url, n);
      for (const [promptMs, each] of [
        [2.8, 400],
        [50, 100],
        [200, 30],
        [1000, 8],
      ] as const) {
        for (const [name, feed] of [
          ['direct', direct],
          ['service', service],
        ] as const) {
          const usage = usageOf(await measureBacklog({ gpus, feed, promptMs, count: each * n }));
          console.log(n, promptMs, name, JSON.stringify(usage), 'ms/prompt', usage.spanMs / usage.prompts);
        }
      }
    });
  }
});
