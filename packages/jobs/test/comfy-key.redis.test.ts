import { expect, it } from 'vitest';
import { presentJob } from '../src/record/present-job.js';
import { nextClaim, openFleet } from './builders.js';

it('gives the worker the key of comfy.org, shows it to nobody, and has nothing of it when the job has ended', async () => {
  const fleet = await openFleet();
  const { record } = await fleet.submit({ comfyKey: 'comfyui-secret' });
  const source = await fleet.worker('w1').claims('default');
  const claim = await nextClaim(source);
  expect(claim.record.comfyKey).toBe('comfyui-secret');
  expect(JSON.stringify(presentJob(await fleet.get(record.id)))).not.toContain('comfyui-secret');

  await claim.finish({ status: 'failed', error: { code: 'node_execution_error', detail: 'It failed.', nodeId: null } });
  expect((await fleet.get(record.id)).record.comfyKey).toBeNull();
  expect(await fleet.redis.hget(fleet.keys.job(record.id), 'comfy_key')).toBeNull();
  await source.close();
});
