import { freePort, startService, uniquePrefix } from '@comfy-fleet/testing';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';

it.each(['api', 'worker', 'dispatcher'] as const)(
  'ends the %s with code 1 and says why when Redis has data of a newer schema',
  async (app) => {
    const [url, prefix] = [inject('redisUrl'), uniquePrefix()];
    const redis = new Redis(url);
    onTestFinished(() => redis.disconnect());
    await redis.set(`${prefix}:schema`, 99);
    const service = startService(app, {
      PORT: `${await freePort()}`,
      API_METRICS_PORT: '0',
      WORKER_HEALTH_PORT: '0',
      DISPATCHER_HEALTH_PORT: '0',
      COMFYUI_URLS: 'http://127.0.0.1:9',
      REDIS_URL: url,
      KEY_PREFIX: prefix,
    });
    onTestFinished(() => service.stop('SIGKILL'));
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.output).toContain('The data in Redis has schema 99, and this version reads schema 1');
    expect(await redis.keys(`${prefix}:*`)).toEqual([`${prefix}:schema`]);
  },
);
