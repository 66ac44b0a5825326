import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { startRedisServer } from '../redis-server.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** One real Redis for the whole run; each test keeps to its own key prefix (`uniquePrefix()`). */
    redisUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startRedisServer();
  project.provide('redisUrl', server.url);
  return () => server.close();
}
