import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Model, ModelCopy } from '@comfy-fleet/client';
import { afterEach, describe, expect, it } from 'vitest';
import { copyLines } from '../src/models/follow-model.js';
import { nameOfSource, readModelName } from '../src/models/source-name.js';
import { FakeTerminal, run } from './run.js';

const AT = '2026-01-01T00:00:00.000Z';
const COPY: ModelCopy = {
  folder: 'f1',
  worker: 'gpu-1',
  instances: ['gpu-1/1'],
  state: 'ready',
  bytes: 1024 ** 3,
  fetched: 1024 ** 3,
  eta_seconds: null,
  is_ours: true,
  verified_at: AT,
  error: null,
};
const FETCHING = { ...COPY, state: 'fetching', fetched: 2 ** 28, eta_seconds: 90, verified_at: null } as const;
const FAULT = { code: 'not_reachable', detail: 'The source cannot be reached.', at: AT } as const;
const FAILED = { ...COPY, state: 'failed', fetched: 0, verified_at: null, error: FAULT } as const;
const MODEL: Model = {
  kind: 'loras',
  name: 'sdxl/detail.safetensors',
  bytes: 1024 ** 3,
  sha256: null,
  by_url: false,
  created_at: AT,
  used_at: null,
  jobs_waiting: 2,
  sources: ['hf:acme/loras/sdxl/detail.safetensors@main'],
  keys: ['acme'],
  pinned_in: [],
  copies: [],
};

let api: Server | undefined;
afterEach(() => void api?.close());

/** An API that answers each GET of a model with the next state, and records what changes it. */
async function serve(...states: readonly (readonly ModelCopy[])[]) {
  const asked: string[] = [];
  let at = 0;
  api = createServer(async (request, response) => {
    const { method = '', url = '' } = request;
    let body = '';
    for await (const part of request) body += part;
    if (method !== 'GET') asked.push(`${method} ${url} ${body}`.trim());
    const model = { ...MODEL, copies: states[Math.min(at, states.length - 1)] ?? [] };
    if (method === 'GET' && url.startsWith('/models/')) at += 1;
    const folders = [{ worker: 'gpu-1', used_bytes: 2 ** 30, max_bytes: 2 ** 33 }];
    response.statusCode = method === 'DELETE' ? 204 : 200;
    response.end(method === 'DELETE' ? '' : JSON.stringify(url === '/models' ? { data: [model], folders } : model));
  });
  await new Promise<void>((resolve) => api?.listen(0, '127.0.0.1', resolve));
  return { asked, env: { COMFY_FLEET_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}` } };
}

describe('the kind and name of a source', () => {
  it.each([
    ['hf:acme/repo/split_files/vae/flux/ae.safetensors@main', 'vae/ae.safetensors'],
    ['https://models.example/loras/a%20b.safetensors?download=1', 'loras/a b.safetensors'],
    ['s3://bucket/comfy/checkpoints/base.safetensors', 'checkpoints/base.safetensors'],
  ])('come from the path of %s', (source, expected) => {
    const { kind, name } = nameOfSource(source, {});
    expect(`${kind}/${name}`).toBe(expected);
  });

  it('must be given where the source does not tell them', () => {
    expect(() => nameOfSource('civitai:135867', {})).toThrow('add --kind and --name');
    expect(() => nameOfSource('hf:acme/repo/detail.safetensors', {})).toThrow('add --kind.');
    expect(nameOfSource('civitai:1', { kind: 'loras', name: 'a.safetensors' })).toEqual({
      kind: 'loras',
      name: 'a.safetensors',
    });
  });

  it('are written with a slash between them', () => {
    expect(readModelName('loras/sdxl/a.safetensors')).toEqual({ kind: 'loras', name: 'sdxl/a.safetensors' });
    expect(() => readModelName('a.safetensors')).toThrow('write its kind and name');
  });
});

describe('models', () => {
  it('add registers a model, has it fetched, and follows that to its end', async () => {
    const { asked, env } = await serve([], [FETCHING], [COPY]);
    const source = 'hf:acme/repo/loras/detail.safetensors';
    const { code, stdout } = await run(['models', 'add', source, '--keys', 'acme,studio', '--pin', 'flux'], env);
    expect(asked).toEqual([
      `PUT /models/loras/detail.safetensors {"sources":["${source}"],"keys":["acme","studio"],"pinned_in":["flux"]}`,
      'POST /models/loras/sdxl%2Fdetail.safetensors/fetch {}',
    ]);
    expect([code, JSON.parse(stdout)]).toEqual([0, { ...MODEL, copies: [COPY] }]);
  });

  it('add --no-fetch only registers it', async () => {
    const { asked, env } = await serve([]);
    const { code } = await run(['models', 'add', 's3://b/vae/a.safetensors', '--no-fetch'], env);
    expect([code, asked]).toEqual([0, ['PUT /models/vae/a.safetensors {"sources":["s3://b/vae/a.safetensors"]}']]);
  });

  it('fetch exits with 5 if the source fails now, and does not count a failure from before', async () => {
    const old = { ...FAILED, error: { ...FAULT, at: '2025-01-01T00:00:00.000Z' } };
    const { env } = await serve([old], [old], [FAILED]);
    const { code, stdout } = await run(['models', 'fetch', 'loras/sdxl/detail.safetensors', '--pools', 'flux'], env);
    expect([code, JSON.parse(stdout).copies]).toEqual([5, [FAILED]]);
  });

  it('fetch draws a bar for each worker on a terminal, and then the model', async () => {
    const { env } = await serve([], [FETCHING], [COPY]);
    const terminal = new FakeTerminal();
    const { code, stdout } = await run(['models', 'fetch', 'loras/sdxl/detail.safetensors'], env, terminal);
    expect(terminal.lines).toContainEqual(expect.stringContaining('25 % of 1.0 GiB · about 1 min 30 s left · gpu-1'));
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^loras\/sdxl\/detail.safetensors\n/)]);
  });

  it('verify waits until each copy is read again', async () => {
    const { asked, env } = await serve([COPY], [COPY], [{ ...COPY, verified_at: '2026-01-02T00:00:00.000Z' }]);
    const { code, stdout } = await run(['models', 'verify', 'loras/sdxl/detail.safetensors'], env);
    expect(asked).toEqual(['POST /models/loras/sdxl%2Fdetail.safetensors/verify']);
    expect([code, JSON.parse(stdout).copies[0].verified_at]).toEqual([0, '2026-01-02T00:00:00.000Z']);
  });

  it('list and show say on a terminal where a model is, and what went wrong', async () => {
    const { env } = await serve([FAILED]);
    const list = await run(['models', 'list'], env, new FakeTerminal());
    expect(list.stdout).toMatch(/^model +size +where +waiting +used +for\n/);
    expect(list.stdout).toContain('loras/sdxl/detail.safetensors  1.0 GiB  gpu-1 failed');
    expect(list.stdout).toContain('gpu-1  1.0 GiB of 8.0 GiB for models');
    const shown = await run(['models', 'show', 'loras/sdxl/detail.safetensors'], env, new FakeTerminal());
    expect(shown.stdout.split('\n')).toContain('  gpu-1    failed: The source cannot be reached.');
  });

  it('rm deletes each model that is named', async () => {
    const { asked, env } = await serve([]);
    expect((await run(['models', 'rm', 'vae/a.safetensors', 'vae/b.safetensors'], env)).code).toBe(0);
    expect(asked).toEqual(['DELETE /models/vae/a.safetensors', 'DELETE /models/vae/b.safetensors']);
  });
});

it('the progress of a fetch has a bar for each worker', () => {
  expect(copyLines({ ...MODEL, copies: [COPY, FETCHING] }, 80)).toEqual([
    `${'█'.repeat(6)}${'░'.repeat(18)} 25 % of 1.0 GiB · about 1 min 30 s left · gpu-1`,
  ]);
  expect(copyLines(MODEL, 80)).toEqual(['Waiting for a worker that manages a model folder (1.0 GiB).']);
});
