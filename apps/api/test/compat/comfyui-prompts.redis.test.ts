import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { as, type TestApi } from '../api.js';
import { drawing, inverting } from '../runnable.js';
import { openComfyui } from './comfyui-api.js';

const HEADERS = [{}, { 'Content-Type': 'application/x-www-form-urlencoded' }, { 'Content-Type': 'application/json' }];

async function jobs(api: TestApi, key = 'anna') {
  const { data } = (await (await api.get('/jobs', as(key))).json()) as { data: { id: string; status: string }[] };
  return data;
}

describe('POST /prompt', () => {
  it.each(HEADERS)('creates a durable job for a prompt, with the headers %o', async (headers) => {
    const { api, anna } = await openComfyui();
    const answer = await anna.post('/prompt', { prompt: drawing(), client_id: 'c1' }, headers);
    expect(answer.status).toBe(200);
    const { prompt_id, number, node_errors } = (await answer.json()) as Record<string, unknown>;
    expect([node_errors, typeof number]).toEqual([{}, 'number']);
    expect((await jobs(api)).map(({ id, status }) => [id, status])).toEqual([[prompt_id, 'queued']]);
  });

  it("keeps the caller's prompt id, and creates no second job with it", async () => {
    const { api, anna } = await openComfyui();
    const prompt_id = 'c0ffee00-1234-4abc-8def-0123456789ab';
    const first = await anna.prompt(drawing(), { prompt_id });
    expect(first.prompt_id).toBe(prompt_id);
    expect(await anna.prompt(drawing(), { prompt_id })).toEqual(first);
    expect(await jobs(api)).toHaveLength(1);
    const { queue_pending } = await anna.get('/queue');
    expect(queue_pending).toEqual([[first.number, prompt_id, drawing(), expect.anything(), ['7', '9']]]);
  });

  it('numbers prompts by time, negated with front, as 32-bit integers', async () => {
    const { anna } = await openComfyui();
    const before = Math.floor(Date.now() / 1000);
    const [last, first] = [await anna.prompt(drawing()), await anna.prompt(drawing(), { front: true })];
    expect(Math.min(last.number, -first.number)).toBeGreaterThanOrEqual(before);
    for (const { number } of [last, first]) expect(number | 0).toBe(number);
  });

  it('lets two keys use the same prompt id for different jobs', async () => {
    const { api, anna, bert } = await openComfyui();
    const prompt_id = newId();
    await anna.prompt(drawing(), { prompt_id });
    await bert.prompt(drawing(), { prompt_id });
    expect([(await jobs(api, 'anna')).length, (await jobs(api, 'bert')).length]).toEqual([1, 1]);
  });

  it.each([
    ['nothing', {}, 'no_prompt'],
    ['a list', [1], 'no_prompt'],
    ['a graph that is a text', { prompt: 'x' }, 'validation_failed'],
    ['a graph without nodes', { prompt: {} }, 'prompt_no_outputs'],
    ['an unknown class', { prompt: { 5: { class_type: 'NoSuch', inputs: {} } } }, 'missing_node_type'],
    ['an invalid id', { prompt: drawing(), prompt_id: 'X' }, 'invalid_prompt_id'],
    ['invalid nodes', { prompt: { 1: 'x' } }, 'invalid_prompt'],
    ['unknown targets', { prompt: drawing(), partial_execution_targets: ['99'] }, 'prompt_no_outputs'],
    ['extra data that is not an object', { prompt: drawing(), extra_data: [] }, 'invalid_prompt'],
    [
      'a link to nowhere at an input that the class does not have',
      { prompt: { ...drawing(), 6: { ...drawing()[6], inputs: { ...drawing()[6]?.inputs, odd: ['99', 0] } } } },
      'prompt_outputs_failed_validation',
    ],
    [
      'a denied class',
      { prompt: { ...inverting(), 1: { class_type: 'LoadImageOutput', inputs: { image: 'x.png' } } } },
      'prompt_outputs_failed_validation',
    ],
  ])("refuses %s immediately with 400 and ComfyUI's error type", async (_, body, type) => {
    const { api, anna } = await openComfyui();
    const answer = await anna.post('/prompt', body);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { type }, node_errors: {} }]);
    expect(await jobs(api)).toEqual([]);
  });

  it('reports the errors of each node, and runs the valid outputs', async () => {
    const { api, anna } = await openComfyui();
    const graph = { ...drawing(), 8: { class_type: 'ImageScale', inputs: { image: ['6', 0], width: -1 } } };
    const { node_errors } = await anna.prompt(graph);
    expect(node_errors).toMatchObject({ 8: { class_type: 'ImageScale', dependent_outputs: ['9'] } });
    const { request } = (await jobs(api))[0] as unknown as { request: { outputs: string[] } };
    expect(request.outputs).toHaveLength(1);
    const wrong = { ...drawing(), 6: { class_type: 'VAEDecode', inputs: { samples: ['5', 0] } } };
    const answer = await anna.post('/prompt', { prompt: wrong });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      {
        error: { type: 'prompt_outputs_failed_validation' },
        node_errors: { 6: { errors: [{ type: 'required_input_missing', details: 'vae' }] } },
      },
    ]);
  });

  it("shows the prompt in the queue as it was sent, with the caller's file names and without secrets", async () => {
    const { api, anna } = await openComfyui();
    const { name } = (await (await anna.upload('my fox.png', await picture())).json()) as { name: string };
    const extra_data = {
      extra_pnginfo: { workflow: { id: 'w' } },
      api_key_comfy_org: 'secret',
      auth_token_comfy_org: 's2',
    };
    const graph = { ...inverting(name), 9: { class_type: 'LoadImage', inputs: { image: 'nobody needs this.png' } } };
    const text = JSON.stringify({ prompt: graph, client_id: 'c1', extra_data, front: true });
    const answer = await fetch(`${anna.base}/prompt`, { method: 'POST', body: text });
    const { prompt_id, number } = (await answer.json()) as { prompt_id: string; number: number };
    const queue = await anna.get('/queue');
    const createdAt = (await api.ledger.jobs.get(prompt_id))?.record.createdAt;
    const { 9: _unneeded, ...needed } = graph;
    expect(queue).toEqual({
      queue_running: [],
      queue_pending: [
        [
          number,
          prompt_id,
          needed,
          { extra_pnginfo: { workflow: { id: 'w' } }, client_id: 'c1', create_time: createdAt },
          ['3'],
        ],
      ],
    });
    expect(JSON.stringify(queue)).not.toContain('secret');
  });

  describe('a prompt that is sent repeatedly', () => {
    const send = async (base: string, seed: string, headers = {}) => {
      const body = JSON.stringify({ prompt: drawing() }).replace('"seed":7', `"seed":${seed}`);
      const answer = await fetch(`${base}/prompt`, { method: 'POST', body, headers });
      return { status: answer.status, body: (await answer.json()) as { readonly prompt_id?: string } };
    };

    it('creates a job for each valid seed, and is refused with a seed above 64 bits', async () => {
      const { anna } = await openComfyui();
      const seeds = ['11111', '22222', '33333', '18446744073709551615', '44444'];
      for (const seed of seeds) expect(await send(anna.base, seed)).toMatchObject({ status: 200 });
      const error = { type: 'prompt_outputs_failed_validation' };
      expect(await send(anna.base, '18446744073709551616')).toMatchObject({ status: 400, body: { error } });
      const queue = await (await fetch(`${anna.base}/queue`)).text();
      expect([...queue.matchAll(/"seed":(\d+)/g)].map(([, seed]) => seed)).toEqual(seeds);
    });

    it('creates only one job with the same Idempotency-Key', async () => {
      const { api, anna } = await openComfyui();
      const ids = new Set<string | undefined>();
      for (let times = 0; times < 4; times++) {
        ids.add((await send(anna.base, '123456789', { 'Idempotency-Key': 'one' })).body.prompt_id);
      }
      expect((await jobs(api)).map(({ id }) => id)).toEqual([...ids]);
    });
  });

  it('keeps seeds that a JavaScript number cannot represent', async () => {
    const { anna } = await openComfyui();
    const body = JSON.stringify({ prompt: drawing() }).replace('"seed":7', '"seed":18446744073709551615');
    expect((await fetch(`${anna.base}/prompt`, { method: 'POST', body })).status).toBe(200);
    const queue = await (await fetch(`${anna.base}/queue`)).text();
    expect(queue).toContain('"seed":18446744073709551615');
  });

  it("accepts only names of the caller's own uploads as files", async () => {
    const { anna, bert } = await openComfyui();
    const sent = await anna.upload('fox.png', await picture(), { subfolder: 'sub' });
    expect(await sent.json()).toEqual({ name: 'fox.png', subfolder: 'sub', type: 'input' });
    expect(await anna.prompt(inverting('sub/fox.png'))).toMatchObject({ node_errors: {} });
    expect(await anna.prompt(inverting('sub/fox.png [input]'))).toMatchObject({ node_errors: {} });
    for (const [client, name] of [
      [bert, 'sub/fox.png'],
      [anna, 'fox.png'],
      [anna, '../sub/fox.png'],
      [anna, 'https://example.com/x.png'],
      [anna, 'asset:0198b5c0-0000-7000-8000-000000000000'],
      [anna, 'sub/fox.png [output]'],
    ] as const) {
      const answer = await client.post('/prompt', { prompt: inverting(name) });
      const errors = [{ type: 'custom_validation_failed', details: `image - Invalid image file: ${name}` }];
      expect([answer.status, await answer.json()]).toMatchObject([400, { node_errors: { 1: { errors } } }]);
    }
  });

  it('refuses unknown keys, and never logs a key', async () => {
    const { api, anna } = await openComfyui();
    await anna.prompt(drawing());
    await fetch(`${api.url}/comfyui/queue?token=anna`);
    const nobody = await fetch(`${api.url}/comfyui/k/n0body/prompt`, { method: 'POST', body: '{}' });
    expect([nobody.status, await nobody.json()]).toMatchObject([401, { error: { type: 'unauthorized' } }]);
    const written = JSON.stringify(api.logged);
    expect(written).toContain('/comfyui/prompt');
    expect(written).not.toMatch(/n0body|k\/anna|token/);
  });
});

async function picture(): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  return sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
}
