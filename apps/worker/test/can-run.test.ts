import type { JobRecord } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { canRun } from '../src/instance/can-run.js';
import type { Instance } from '../src/instance/instance.js';
import { folderOnly } from './folder-only.js';

const workflows = await folderOnly();
const instance = { pools: ['flux', 'fast'], abilities: undefined } as unknown as Instance;
const job = (pool: string) => ({ pool, request: { workflow: 'text2img' } }) as JobRecord;

it('gives an instance the jobs of the pools that it serves, and of no other of its worker', () => {
  expect(['flux', 'fast', 'default'].map((pool) => canRun(job(pool), instance, workflows))).toEqual([
    true,
    true,
    false,
  ]);
});
