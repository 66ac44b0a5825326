import { freePort, startService, uniquePrefix, until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';

it('answers the first request that its open port lets in, also of somebody who does not ask /readyz', {
  timeout: 60_000,
}, async () => {
  const port = await freePort();
  const env = { PORT: `${port}`, API_METRICS_PORT: '0', REDIS_URL: inject('redisUrl'), KEY_PREFIX: uniquePrefix() };
  const service = startService('api', env);
  onTestFinished(() => service.stop('SIGKILL'));
  const first = await until(
    'the port is open',
    () => fetch(`http://127.0.0.1:${port}/jobs`, { signal: AbortSignal.timeout(60_000) }).catch(() => undefined),
    { everyMs: 1 },
  );
  expect([first.status, await first.json()]).toEqual([200, { data: [], has_more: false, next_cursor: null }]);
});
