import { FleetError } from '@comfy-fleet/contracts';
import { createLogger } from '@comfy-fleet/telemetry';
import { expect, it, vi } from 'vitest';
import { freeMemory } from '../src/job/apply.js';

function aJob(error: unknown) {
  const forget = vi.fn();
  const instance = { ask: () => Promise.reject(error), models: { forget } };
  const log = createLogger({ service: 'worker', level: 'error' });
  const job = { instance, signal: new AbortController().signal, log } as unknown as Parameters<typeof freeMemory>[0];
  return { job, forget };
}

it('counts the models as unloaded when the instance breaks off the connection', async () => {
  const { job, forget } = aJob(new FleetError('instance_unreachable', 'It broke off the connection.'));
  await freeMemory(job);
  expect(forget).toHaveBeenCalledOnce();
});

it('throws any other error', async () => {
  const { job, forget } = aJob(new FleetError('comfyui_error', 'It answered 500.'));
  await expect(freeMemory(job)).rejects.toMatchObject({ code: 'comfyui_error' });
  expect(forget).not.toHaveBeenCalled();
});
