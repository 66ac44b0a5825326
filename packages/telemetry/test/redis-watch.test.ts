import { expect, it } from 'vitest';
import { createLogger, createMetrics, watchRedis } from '../src/index.js';

it.each([
  ['answered', 1, async () => 'PONG'],
  ['refused', 0, () => Promise.reject(new Error('ECONNREFUSED'))],
])('shows redis_up and the round trip as they were at the latest PING, which is %s', async (_how, up, ping) => {
  const log = createLogger({ service: 'test', level: 'error' });
  const metrics = createMetrics({ service: 'test', log });
  const stopping = new AbortController();
  let pings = 0;
  const watching = watchRedis({
    metrics,
    ping: async () => {
      pings += 1;
      // A ping that has begun is completed.
      stopping.abort();
      return await ping();
    },
    signal: stopping.signal,
    log,
    everyMs: 1,
  });
  await watching;
  const lines = (await metrics.scrape()).split('\n');
  expect(pings).toBe(1);
  expect(lines).toContain(`comfy_fleet_redis_up ${up}`);
  expect(lines).toContain(`comfy_fleet_redis_round_trip_seconds_count ${up}`);
});
