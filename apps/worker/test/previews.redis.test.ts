import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const never = new AbortController().signal;

/** A ComfyUI that sends previews, and the preview method that it got with a job's prompt. */
async function setUp(tools: { followWithinMs: number }) {
  const gpu = await aGpu(0, { version: '0.33.0', previewMethod: 'latent2rgb' });
  const stack = await openStack();
  await stack.answering();
  const methodOf = async (id: string) => {
    const { promptId } = await stack.ended(id);
    const history = await (await fetch(`${gpu.url}/history/${promptId}`)).json();
    const { prompt } = (history as Record<string, { prompt: { preview_method?: string }[] }>)[promptId ?? ''] ?? {};
    return prompt?.[3]?.preview_method;
  };
  return { stack, methodOf, startWorker: () => stack.startWorker('w', [gpu.url], { tools }) };
}

it('switches previews off for a prompt whose job nobody follows', async () => {
  const { stack, methodOf, startWorker } = await setUp({ followWithinMs: 0 });
  await startWorker();
  expect(await methodOf(await stack.submit())).toBe('none');
});

it('leaves previews on if somebody listens to the job when it is submitted', async () => {
  const { stack, methodOf, startWorker } = await setUp({ followWithinMs: 0 });
  const id = await stack.submit();
  const events = stack.ledger.jobs.events(id, { signal: never })[Symbol.asyncIterator]();
  await events.next();
  await startWorker();
  expect(await methodOf(id)).toBeUndefined();
  await events.return?.();
});

it('leaves previews on for a client whose key has a socket, which follows jobs when they run', async () => {
  const { stack, methodOf, startWorker } = await setUp({ followWithinMs: 0 });
  const changes = stack.ledger.jobs.changesOf('anna', { signal: never })[Symbol.asyncIterator]();
  await changes.next();
  const ofClient = await stack.submit({}, 'default', 'anna', { client: 'c' });
  const ofNobody = await stack.submit({}, 'default', 'anna');
  await startWorker();
  expect([await methodOf(ofClient), await methodOf(ofNobody)]).toEqual([undefined, 'none']);
  await changes.return?.();
});

it('leaves previews on for a new job, because its caller may only be about to listen', async () => {
  const { stack, methodOf, startWorker } = await setUp({ followWithinMs: 60_000 });
  await startWorker();
  expect(await methodOf(await stack.submit())).toBeUndefined();
});

it('lets a caller of the API of ComfyUI choose the preview method', async () => {
  const { stack, methodOf, startWorker } = await setUp({ followWithinMs: 0 });
  const origin = JSON.stringify({ extraData: { preview_method: 'taesd' } });
  const id = await stack.submit({}, 'default', 'anna', { origin });
  await startWorker();
  expect(await methodOf(id)).toBe('taesd');
});
