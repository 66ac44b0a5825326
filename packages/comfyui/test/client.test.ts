import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { clientOf, failureOf, never } from './support/client.js';
import { fixture } from './support/fixtures.js';
import { answers, serve } from './support/local-server.js';

const entry = Object.values(fixture<Record<string, unknown>>('history.json'))[0];
const queueOf = (running: string[], pending: string[] = []) =>
  JSON.stringify({
    queue_running: running.map((id) => [1, id, {}, {}, []]),
    queue_pending: pending.map((id) => [2, id, {}, {}, []]),
  });

describe('find', () => {
  it.each([
    ['running', queueOf(['p'], ['q'])],
    ['pending', queueOf(['q'], ['p'])],
  ])('is %s, without asking the history, when the queue says so', async (state, queue) => {
    const server = await serve(answers({ '/queue': { body: queue } }));
    expect(await clientOf(server.url).find('p', never())).toEqual({ state });
    expect(server.seen.map(({ url }) => url)).toEqual(['/queue']);
  });

  it('asks the queue first and the history second when the prompt has ended', async () => {
    const history = { '/queue': { body: queueOf(['q']) }, '/history/p': { body: JSON.stringify({ p: entry }) } };
    const server = await serve(answers(history));
    expect(await clientOf(server.url).find('p', never())).toMatchObject({
      state: 'ended',
      entry: { outcome: 'error' },
    });
    expect(server.seen.map(({ url }) => url)).toEqual(['/queue', '/history/p']);
  });

  it('is absent when the queue does not have it and the history answers {}', async () => {
    const server = await serve(answers({ '/queue': { body: queueOf([]) }, '/history/p': { body: '{}' } }));
    expect(await clientOf(server.url).find('p', never())).toEqual({ state: 'absent' });
  });
});

describe('find of a prompt that has probably ended', () => {
  const likelyEnded = { likelyEnded: true };

  it('asks only the history when that has it', async () => {
    const server = await serve(answers({ '/history/p': { body: JSON.stringify({ p: entry }) } }));
    expect((await clientOf(server.url).find('p', never(), likelyEnded)).state).toBe('ended');
    expect(server.seen).toHaveLength(1);
  });

  it('asks as usual when it has not ended', async () => {
    const server = await serve(answers({ '/queue': { body: queueOf(['p']) }, '/history/p': { body: '{}' } }));
    expect(await clientOf(server.url).find('p', never(), likelyEnded)).toEqual({ state: 'running' });
    expect(server.seen).toHaveLength(2);
  });
});

describe('history', () => {
  it('encodes the id', async () => {
    const server = await serve(answers({ '/history/a%2F%3F': { body: '{}' } }));
    expect(await clientOf(server.url).history('a/?', never())).toBeUndefined();
  });

  it('is comfyui_error when the entry has another shape', async () => {
    const server = await serve(answers({ '/history/p': { body: '{"p": {"status": 1}}' } }));
    const error = await failureOf(clientOf(server.url).history('p', never()));
    expect([error.code, error.detail]).toEqual([
      'comfyui_error',
      'The ComfyUI instance gpu/1 gave an unknown answer to GET /history.',
    ]);
  });

  it('is output_too_large when the entry is too large, and deletes it in ComfyUI', async () => {
    const body = `{"p":"${'x'.repeat(64 * 1024 * 1024)}"}`;
    const server = await serve(
      answers({ '/queue': { body: queueOf([]) }, '/history/p': { body }, '/history': { body: '' } }),
    );
    const error = await failureOf(clientOf(server.url).find('p', never()));
    expect([error.code, error.detail]).toEqual(['output_too_large', expect.stringContaining('67108864 bytes')]);
    const asked = server.seen.map(({ method, url, body }) => `${method} ${url} ${body}`);
    expect(asked.slice(1)).toEqual(['GET /history/p ', 'POST /history {"delete":["p"]}']);
  });
});

describe('orders', () => {
  it('interrupts only the named prompt', async () => {
    const server = await serve(answers({ '/interrupt': { body: '' } }));
    await clientOf(server.url).interrupt('p', never());
    expect(server.seen.map(({ body }) => body.toString())).toEqual(['{"prompt_id":"p"}']);
  });

  it('refuses to interrupt an empty id, which ComfyUI takes to mean any prompt', async () => {
    const server = await serve(answers({ '/interrupt': { body: '' } }));
    await expect(clientOf(server.url).interrupt('', never())).rejects.toThrow(TypeError);
    expect(server.seen).toEqual([]);
  });

  it('deletes prompts by a list of ids, and sends nothing for an empty one', async () => {
    const server = await serve(answers({ '/queue': { body: '' } }));
    const client = clientOf(server.url);
    await client.deleteQueued([], never());
    await client.deleteQueued(['a', 'b'], never());
    expect(server.seen.map(({ body }) => body.toString())).toEqual(['{"delete":["a","b"]}']);
  });

  it("frees models and memory with ComfyUI's field names", async () => {
    const server = await serve(answers({ '/free': { body: '' } }));
    await clientOf(server.url).free({ unloadModels: true, freeMemory: false }, never());
    expect(server.seen.map(({ body }) => body.toString())).toEqual(['{"unload_models":true,"free_memory":false}']);
  });
});

describe('answers that cannot be used', () => {
  it.each([
    [200, '<html>', 'comfyui_error', 'did not answer in JSON to GET /queue.'],
    [200, '{}', 'comfyui_error', 'gave an unknown answer to GET /queue.'],
    [200, '[]', 'comfyui_error', 'gave an unknown answer to GET /queue.'],
    [500, '', 'comfyui_error', 'answered 500 to GET /queue.'],
    [301, '', 'comfyui_error', 'answered 301 to GET /queue.'],
    [503, '', 'instance_unreachable', 'answered 503 to GET /queue.'],
  ])('%i with %j is %s', async (status, body, code, detail) => {
    const server = await serve(answers({ '/queue': { status, body } }));
    const error = await failureOf(clientOf(server.url).queue(never()));
    expect([error.code, error.detail]).toEqual([code, `The ComfyUI instance gpu/1 ${detail}`]);
  });

  it('is comfyui_error when the peer does not speak HTTP', async () => {
    const server = await serve((_request, response) => response.socket?.end('220 mail ready\r\n'));
    const error = await failureOf(clientOf(server.url).queue(never()));
    expect([error.code, error.detail]).toEqual(['comfyui_error', 'The ComfyUI instance gpu/1 does not speak HTTP.']);
  });

  it('is comfyui_error when the answer does not end', async () => {
    const piece = Buffer.alloc(4 * 1024 * 1024, 32);
    const server = await serve((_request, response) => {
      const write = () => response.write(piece, () => response.destroyed || write());
      write();
    });
    const error = await failureOf(clientOf(server.url).queue(never()));
    expect([error.code, error.detail]).toEqual([
      'comfyui_error',
      'The ComfyUI instance gpu/1 answered more than can be taken.',
    ]);
  });

  it('is instance_unreachable when the answer stops half-way', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{"queue', () => response.socket?.destroy());
    });
    const error = await failureOf(clientOf(server.url).queue(never()));
    expect(error.code).toBe('instance_unreachable');
  });

  it('ignores proxies of the environment', async () => {
    const server = await serve(answers({ '/queue': { body: queueOf([]) } }));
    for (const name of ['http_proxy', 'HTTP_PROXY', 'all_proxy']) vi.stubEnv(name, 'http://127.0.0.1:1');
    vi.stubEnv('no_proxy', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await clientOf(server.url).queue(never())).toEqual({ running: [], pending: [] });
  });
});
