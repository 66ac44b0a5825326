import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@comfy-fleet/contracts';
import { frameName } from '@comfy-fleet/frames';
import type { OutputRecord } from '@comfy-fleet/jobs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';

const data = randomBytes(100_000);
const sha256 = createHash('sha256').update(data).digest('hex');
const { signal } = new AbortController();

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

async function stored(extension: string, content: Buffer = data): Promise<string> {
  const name = frameName(newId(), 1, extension);
  await api.frames.put(name, [content], { signal });
  return name;
}

describe('GET /files/:filename', () => {
  it.each([
    ['mp4', 'video/mp4', 'inline'],
    ['webm', 'video/webm', 'inline'],
    ['flac', 'audio/flac', 'inline'],
    ['opus', 'audio/ogg', 'inline'],
    ['png', 'image/png', 'inline'],
    ['txt', 'text/plain; charset=utf-8', 'inline'],
    ['glb', 'model/gltf-binary', 'attachment'],
    ['latent', 'application/octet-stream', 'attachment'],
    ['svg', 'image/svg+xml', 'attachment'],
    ['html', 'text/html; charset=utf-8', 'attachment'],
    ['xml', 'application/xml', 'attachment'],
  ])('serves a %s as %s, %s', async (extension, type, shown) => {
    const name = await stored(extension);
    const answer = await api.get(`/files/${name}`);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': type,
      'content-disposition': `${shown}; filename="${name}"`,
      'x-content-type-options': 'nosniff',
      etag: `"${sha256}"`,
      'content-security-policy': expect.stringMatching(shown === 'inline' ? /script-src/ : /^sandbox/),
    });
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(data);
  });

  it('serves a range of a video, and answers 304 to a caller that already has it', async () => {
    const name = await stored('mp4');
    const part = await api.get(`/files/${name}`, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/100000']);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(data.subarray(10, 20));
    const known = await api.get(`/files/${name}`, { headers: { 'If-None-Match': `"${sha256}"` } });
    expect(known.status).toBe(304);
    const beyond = await api.get(`/files/${name}`, { headers: { Range: 'bytes=100000-' } });
    expect((await problemOf(beyond)).code).toBe('range_not_satisfiable');
  });

  it('serves a file under the name that ComfyUI gave it, and deletes it with its job', async () => {
    const { id } = await api.accepted();
    const file = frameName(id, 1, 'mp4');
    await api.frames.put(file, [data], { signal });
    const output: OutputRecord = {
      ...{ name: 'clip', nodeId: '9', kind: 'video', file, filename: 'Füchse "1".mp4' },
      ...{ contentType: 'video/mp4', bytes: data.length, sha256 },
    };
    const claim = await api.claim();
    await claim.finish({ status: 'succeeded', outputs: [output] });
    const job = await api.job(id);
    expect(job).toMatchObject({ images: [], image_url: null, outputs: [{ kind: 'video', url: `/files/${file}` }] });
    const answer = await api.get(job.outputs[0]?.url ?? '');
    expect(answer.headers.get('content-disposition')).toContain("filename*=UTF-8''F%C3%BCchse%20%221%22.mp4");
    expect((await api.get(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await api.get(`/files/${file}`)).status).toBe(404);
  });

  it.each([
    ['another name', 'secret.mp4'],
    ['a job without it', frameName(newId(), 1, 'mp4')],
    ['a name with folders', `..%2F${frameName(newId(), 1, 'mp4')}`],
  ])('answers 404 to %s', async (_what, name) => {
    const answer = await api.get(`/files/${name}`);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([404, 'file_not_found']);
  });

  it('does not serve a video as a picture', async () => {
    const answer = await api.get(`/images/${await stored('mp4')}`);
    expect((await problemOf(answer)).code).toBe('image_not_found');
  });
});
