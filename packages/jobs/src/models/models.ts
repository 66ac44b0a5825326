import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { createModelDemand, type ModelDemand } from './demand.js';
import { createModelFolders, type ModelFolders } from './folders.js';
import { createModelRegistry, type ModelRegistry } from './registry.js';

/** Models that hosts fetch when jobs need them: which are registered, and what the hosts have of them. */
export interface Models extends ModelRegistry, ModelFolders, ModelDemand {}

export function createModels(redis: Redis, keys: Keys): Models {
  return { ...createModelRegistry(redis, keys), ...createModelFolders(redis, keys), ...createModelDemand(redis, keys) };
}
