import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { askRedis } from '../ask-redis.js';
import { startRedisServer } from '../redis-server.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** One real Redis for the whole run; each test keeps to its own key prefix (`uniquePrefix()`). */
    redisUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startRedisServer();
  // Nobody kills it: what a disk is to keep is tried with a Redis of the test's own.
  if (project.name === 'redis') await askRedis(server, 'CONFIG SET appendfsync no');
  project.provide('redisUrl', server.url);
  return () => server.close();
}
