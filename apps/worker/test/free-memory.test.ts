import { FleetError } from '@comfy-fleet/contracts';
import { createLogger } from '@comfy-fleet/telemetry';
import { expect, it, vi } from 'vitest';
import { freeMemory } from '../src/job/free-memory.js';

function aJob(error: unknown) {
  const forget = vi.fn();
  const instance = { ask: () => Promise.reject(error), models: { forget } };
  const log = createLogger({ service: 'worker', level: 'error' });
  const job = { instance, signal: new AbortController().signal, log } as unknown as Parameters<typeof freeMemory>[0];
  return { job, forget };
}

it('takes an instance that broke off the connection for one that holds no models', async () => {
  const { job, forget } = aJob(new FleetError('instance_unreachable', 'It broke off the connection.'));
  await freeMemory(job);
  expect(forget).toHaveBeenCalledOnce();
});

it('keeps no other error to itself', async () => {
  const { job, forget } = aJob(new FleetError('comfyui_error', 'It answered 500.'));
  await expect(freeMemory(job)).rejects.toMatchObject({ code: 'comfyui_error' });
  expect(forget).not.toHaveBeenCalled();
});
