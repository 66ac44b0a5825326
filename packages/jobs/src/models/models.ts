import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { createModelDemand } from './demand.js';
import { createModelFolders } from './folders.js';
import { createModelRegistry } from './registry.js';

/** Models that hosts fetch when jobs need them: which are registered, and what the hosts have of them. */
export type Models = ReturnType<typeof createModels>;

export function createModels(redis: Redis, keys: Keys) {
  return { ...createModelRegistry(redis, keys), ...createModelFolders(redis, keys), ...createModelDemand(redis, keys) };
}
