import type { TestProject } from 'vitest/node';
import { askRedis, startRedisServer } from '../redis-server.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** One real Redis for the whole run; each test uses its own key prefix (`uniquePrefix()`). */
    redisUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startRedisServer();
  // This Redis is never killed; tests of durability start their own.
  if (project.name === 'redis') await askRedis(server, 'CONFIG SET appendfsync no');
  project.provide('redisUrl', server.url);
  return () => server.close();
}
