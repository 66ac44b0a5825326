import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { as, type TestApi } from '../../api.js';
import { readEvents } from '../../event-stream.js';
import { finishedImage } from '../../finished-image.js';
import { drawing } from '../../runnable.js';
import { JOBS, openV2, ordered, refusal } from './v2.js';

const listen = (api: TestApi, id: string, key = 'anna') => api.get(`${JOBS}/${id}/events`, as(key));

async function running(api: TestApi, id: string) {
  const claim = await api.claim();
  expect(claim.record.id).toBe(id);
  const promptId = newId();
  await claim.submit(promptId, 'gpu-1/1');
  await claim.start(promptId);
  return claim;
}

it('sends the current state, then every change, then each output once, and ends with the terminal status', async () => {
  const api = await openV2();
  const { id } = await ordered(api, drawing());
  const answer = await listen(api, id);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const events = readEvents(answer);
  expect(await events.next()).toEqual({
    event: 'status',
    id: undefined,
    data: { status: 'queued', queue_position: 0 },
  });
  const claim = await running(api, id);
  expect(await events.next()).toMatchObject({ event: 'status', data: { status: 'running', queue_position: null } });
  const node = { node: 'Sampler', nodeId: '5', nodeClass: 'KSampler', nodes: { done: 3, total: 9 } };
  await claim.progress({ fraction: 0.25, step: 2, steps: 8, ...node });
  expect(await events.next()).toEqual({
    event: 'progress',
    id: undefined,
    data: {
      value: 0.25,
      nodes_done: 3,
      nodes_total: 9,
      current_node: '5',
      current_node_class: 'KSampler',
      step: 2,
      steps: 8,
      message: 'Sampler 2/8',
    },
  });
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==' });
  expect(await events.next()).toMatchObject({
    event: 'preview',
    data: { node_id: '5', content_type: 'image/jpeg', data_base64: '/9j/4A==' },
  });

  // A client that connects now immediately gets the same state.
  const late = readEvents(await listen(api, id));
  const shown = [await late.next(), await late.next(), await late.next()];
  expect(shown.map((event) => event?.event)).toEqual(['status', 'progress', 'preview']);

  await claim.finish({ status: 'succeeded', outputs: [finishedImage(id, 1), finishedImage(id, 2)] });
  const job = (await (await api.get(`${JOBS}/${id}`, as('anna'))).json()) as { outputs: { id: string }[] };
  for (const rest of [await events.rest(), await late.rest(), await readEvents(await listen(api, id)).rest()]) {
    expect(rest.map(({ event }) => event)).toEqual(['output', 'output', 'status']);
    expect(rest.slice(0, 2).map(({ data }) => data.id)).toEqual(job.outputs.map((output) => output.id));
    expect(rest[2]?.data).toEqual({ status: 'succeeded', queue_position: null });
  }
});

it('names the node of a preview, even before any progress named it', async () => {
  const api = await openV2();
  const { id } = await ordered(api, drawing());
  const events = readEvents(await listen(api, id));
  const claim = await running(api, id);
  expect([await events.next(), await events.next()]).toMatchObject([{ event: 'status' }, { event: 'status' }]);
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==', nodeId: '5' });
  expect(await events.next()).toMatchObject({ event: 'preview', data: { node_id: '5' } });
  await claim.progress({ fraction: 0.25, step: 2, steps: 8, node: 'Sampler', nodeId: '5' });
  expect(await events.next()).toMatchObject({ event: 'progress', data: { current_node: '5' } });
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==', nodeId: '9' });
  expect(await events.next()).toMatchObject({ event: 'preview', data: { node_id: '9' } });
  await claim.finish({ status: 'succeeded', outputs: [] });
  await events.rest();
});

it('sends heartbeats, and ends when the job is canceled', async () => {
  const api = await openV2({ heartbeatMs: 25 });
  const { id } = await ordered(api, drawing());
  const events = readEvents(await listen(api, id));
  expect(await events.next()).toMatchObject({ data: { status: 'queued' } });
  const rest = events.rest();
  await until('a heartbeat comment is received', () => events.comments.length > 0);
  await api.get(`${JOBS}/${id}/cancel`, { method: 'POST', ...as('anna') });
  expect(await rest).toMatchObject([{ event: 'status', data: { status: 'canceled' } }]);
});

it("streams only the key's own jobs, and limits open streams per key", async () => {
  const api = await openV2({ env: { KEY_STREAMS: '1' } });
  const { id } = await ordered(api, drawing());
  expect((await refusal(await listen(api, id, 'bert'))).slice(0, 2)).toEqual([404, 'not_found']);
  expect((await refusal(await listen(api, 'job_ghost'))).slice(0, 2)).toEqual([404, 'not_found']);
  const open = await listen(api, id);
  const full = await listen(api, id);
  expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await refusal(full)).slice(0, 2)).toEqual([429, 'too_many_streams']);
  await open.body?.cancel();
});
