import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';
import { finishedImage } from './finished-image.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), { heartbeatMs: 25 });
});
afterEach(() => api.close());

const listen = (id: string, lastEventId?: string) =>
  api.get(`/jobs/${id}/events`, lastEventId === undefined ? {} : { headers: { 'Last-Event-ID': lastEventId } });

async function running(id: string) {
  const claim = await api.claim();
  const promptId = newId();
  expect(claim.record.id).toBe(id);
  await claim.submit(promptId, 'gpu-1/1');
  await claim.start(promptId);
  return claim;
}

describe('GET /jobs/:id/events', () => {
  it('sends the whole job first, then every change, and ends after the terminal one', async () => {
    const { id } = await api.accepted();
    const answer = await listen(id);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const events = readEvents(answer);
    expect(await events.next()).toMatchObject({ event: 'status', data: { id, status: 'queued', queue_position: 0 } });

    const claim = await running(id);
    expect(await events.next()).toMatchObject({ event: 'status', data: { status: 'running', instance: 'gpu-1/1' } });
    await claim.progress({ fraction: 0.25, step: 2, steps: 8, node: 'KSampler' });
    expect(await events.next()).toEqual({
      event: 'progress',
      id: expect.stringMatching(/^\d+-\d+$/),
      data: { fraction: 0.25, step: 2, steps: 8, node: 'KSampler' },
    });
    await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==' });
    const preview = { content_type: 'image/jpeg', data: '/9j/4A==' };
    expect(await events.next()).toEqual({ event: 'preview', id: undefined, data: preview });
    await claim.finish({ status: 'succeeded', outputs: [finishedImage(id, 1), finishedImage(id, 2)] });
    const rest = await events.rest();
    expect(rest.map(({ event }) => event)).toEqual(['output', 'status']);
    expect(rest[0]?.data.images).toMatchObject([
      { image_url: `/images/${id}_1.png` },
      { image_url: `/images/${id}_2.png` },
    ]);
    expect(rest[1]).toMatchObject({ id: expect.stringMatching(/^\d+-\d+$/), data: { id, status: 'succeeded' } });
  });

  it('sends the current job to a client that reconnects, and nothing twice', async () => {
    const { id } = await api.accepted();
    const claim = await running(id);
    const first = await readEvents(await listen(id)).next();
    await claim.progress({ fraction: 0.5, step: 4, steps: 8, node: 'KSampler' });
    const events = readEvents(await listen(id, first?.id));
    expect(await events.next()).toMatchObject({
      event: 'status',
      data: { status: 'running', progress: { fraction: 0.5 } },
    });
    await claim.progress({ fraction: 0.75, step: 6, steps: 8, node: 'KSampler' });
    expect(await events.next()).toMatchObject({ event: 'progress', data: { fraction: 0.75 } });
  });

  it('sends the end to a client that missed it, and answers 204 to one that has it', async () => {
    const { id } = await api.accepted();
    const seen = (await readEvents(await listen(id)).next())?.id;
    const claim = await running(id);
    await claim.finish({ status: 'failed', error: { code: 'out_of_memory', detail: 'Too large.', nodeId: '3' } });

    const missed = await readEvents(await listen(id, seen)).rest();
    expect(missed).toMatchObject([{ event: 'status', data: { status: 'failed', error: { node_id: '3' } } }]);
    const after = await listen(id, missed[0]?.id);
    expect([after.status, await after.text()]).toEqual([204, '']);
    expect((await listen(id, 'not an id')).status).toBe(200);
  });

  it('ends with the canceled job when a queued one is canceled', async () => {
    const { id } = await api.accepted();
    const events = readEvents(await listen(id));
    await events.next();
    await api.post(`/jobs/${id}/cancel`, {});
    const rest = await events.rest();
    expect(rest).toMatchObject([{ event: 'status', data: { status: 'canceled' } }]);
    expect((await listen(id, rest[0]?.id)).status).toBe(204);
  });

  it('sends comments to keep the connection alive while nothing happens', async () => {
    const { id } = await api.accepted();
    const events = readEvents(await listen(id));
    await events.next();
    const rest = events.rest();
    await until('two comments', () => events.comments.length >= 2);
    await api.post(`/jobs/${id}/cancel`, {});
    expect(await rest).toHaveLength(1);
  });

  it('ends the stream when the process is stopping, and when the client disconnects', async () => {
    const { id } = await api.accepted();
    const gone = new AbortController();
    await readEvents(await api.get(`/jobs/${id}/events`, { signal: gone.signal })).next();
    gone.abort();
    await until('the abandoned stream to end', () =>
      api.logged.some((line) => line.path === `/jobs/${id}/events` && line.aborted === true && line.job === id),
    );
    const events = readEvents(await listen(id));
    await events.next();
    api.stop();
    expect(await events.rest()).toEqual([]);
    expect(events.retries).toEqual([1000]); // the delay before the client reconnects
  });

  it('answers HEAD without a body', async () => {
    const { id } = await api.accepted();
    const answer = await api.get(`/jobs/${id}/events`, { method: 'HEAD' });
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });
});
