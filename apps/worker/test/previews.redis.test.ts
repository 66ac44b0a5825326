import type { Preview } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

it('passes pictures of the unfinished work on to those who listen, small enough for Redis', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000, { previewMethod: 'latent2rgb' });
  await stack.startWorker('w', [gpu.url]);
  const id = await stack.submit({ steps: 150 });
  const previews: Preview[] = [];
  let last = '';
  for await (const item of stack.ledger.jobs.events(id, { signal: new AbortController().signal })) {
    if (item.kind === 'preview') {
      previews.push(item.preview);
      gpu.set({ stepMs: 0 });
    }
    if (item.kind === 'event' && item.event.type === 'status') last = item.event.status;
  }
  expect(previews[0]?.contentType).toBe('image/jpeg');
  const bytes = Buffer.from(previews[0]?.data ?? '', 'base64');
  expect(bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
  expect(bytes.length).toBeLessThanOrEqual(48 * 1024);
  expect(last).toBe('succeeded');
});
