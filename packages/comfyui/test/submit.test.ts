import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { type Graph, SubmissionUnknown } from '../src/index.js';
import { clientOf, failureOf, never } from './support/client.js';
import { fixture } from './support/fixtures.js';
import { answers, serve } from './support/local-server.js';

const PROMPT_ID = '0198c0de-0000-7000-8000-000000000001';
const graph: Graph = {
  '1': { class_type: 'KSampler', inputs: { seed: 18446744073709551615n, cfg: 6.5, model: ['2', 0] } },
};
const submission = () => ({ promptId: PROMPT_ID, clientId: 'c1', signal: never() });
const accepted = `{"prompt_id": "${PROMPT_ID}", "number": 3, "node_errors": {}}`;

describe('submit', () => {
  it('sends a seed of 2^64-1 with all digits, the prompt id and the client id', async () => {
    const server = await serve(answers({ '/prompt': { body: accepted } }));
    await clientOf(server.url).submit(graph, submission());
    expect(server.seen[0]?.body.toString()).toBe(
      `{"prompt":{"1":{"class_type":"KSampler","inputs":{"seed":18446744073709551615,"cfg":6.5,"model":["2",0]},"_meta":{"title":"KSampler"}}},"prompt_id":"${PROMPT_ID}","client_id":"c1"}`,
    );
    expect(server.seen[0]?.headers['content-type']).toBe('application/json');
  });

  it("sends the caller's comfy.org key, if there is one, beside the graph", async () => {
    const server = await serve(answers({ '/prompt': { body: accepted } }));
    await clientOf(server.url).submit(graph, { ...submission(), comfyKey: 'comfyui-secret' });
    const sent = JSON.parse(server.seen[0]?.body.toString() ?? '') as { extra_data: unknown };
    expect(sent.extra_data).toEqual({ api_key_comfy_org: 'comfyui-secret' });
  });

  it("sends the extra data of the graph, with all digits of a seed in it, and only the order's key", async () => {
    const server = await serve(answers({ '/prompt': { body: accepted } }));
    const extraData = { extra_pnginfo: { workflow: { seed: 18446744073709551615n } } };
    await clientOf(server.url).submit(graph, { ...submission(), extraData, comfyKey: 'comfyui-secret' });
    expect(server.seen[0]?.body.toString()).toContain(
      '"extra_data":{"extra_pnginfo":{"workflow":{"seed":18446744073709551615}},"api_key_comfy_org":"comfyui-secret"}',
    );
  });

  it('keeps titles, and adds the class as title where there is none', async () => {
    const server = await serve(answers({ '/prompt': { body: accepted } }));
    const titled: Graph = { '2': { class_type: 'CLIPLoader', inputs: {}, _meta: { title: 'Texts' } } };
    await clientOf(server.url).submit({ ...graph, ...titled }, submission());
    const { prompt } = JSON.parse(server.seen[0]?.body.toString() ?? '') as { prompt: Graph };
    expect(Object.values(prompt).map(({ _meta }) => _meta?.title)).toEqual(['KSampler', 'Texts']);
  });

  it('sends no Origin and no Sec-Fetch-Site, which ComfyUI answers with 403', async () => {
    const server = await serve(answers({ '/prompt': { body: accepted } }));
    await clientOf(server.url).submit(graph, submission());
    expect(Object.keys(server.seen[0]?.headers ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(origin|referer|sec-.*)$/)]),
    );
  });

  it('keeps the path of the base URL', async () => {
    const server = await serve(answers({ '/gpu/7/prompt': { body: accepted } }));
    await clientOf(`${server.url}/gpu/7/`).submit(graph, submission());
    expect(server.seen.map(({ url }) => url)).toEqual(['/gpu/7/prompt']);
  });

  it('succeeds when the number in the answer is a bare NaN', async () => {
    const server = await serve(answers({ '/prompt': { body: accepted.replace('3', 'NaN') } }));
    await expect(clientOf(server.url).submit(graph, submission())).resolves.toBeUndefined();
  });

  it('is refused with a list of samplers when the answer omits them', async () => {
    const recorded = fixture<{ name: string; graph: Graph; body: unknown }[]>('rejections.json');
    const entry = recorded.find(({ name }) => name.startsWith('sampler_name invalid'));
    const sampler = { KSampler: { input: { required: { sampler_name: [['euler', 'heun'], {}] } } } };
    const server = await serve(
      answers({
        '/prompt': { status: 400, body: JSON.stringify(entry?.body) },
        '/object_info/KSampler': { body: JSON.stringify(sampler) },
      }),
    );
    const error = await failureOf(clientOf(server.url).submit(entry?.graph ?? {}, submission()));
    expect(error.code).toBe('workflow_rejected');
    expect(error.detail).toBe("sampler_name 'nope' is unknown at KSampler 5; known: euler, heun");
  });

  it('is refused without that list when the description of the class is unavailable', async () => {
    const recorded = fixture<{ name: string; graph: Graph; body: unknown }[]>('rejections.json');
    const entry = recorded.find(({ name }) => name.startsWith('sampler_name invalid'));
    const server = await serve(answers({ '/prompt': { status: 400, body: JSON.stringify(entry?.body) } }));
    const error = await failureOf(clientOf(server.url).submit(entry?.graph ?? {}, submission()));
    expect(error.detail).toBe("sampler_name 'nope' is unknown at KSampler 5");
  });

  it.each([
    [400, 'ComfyUI refused the workflow without giving a reason.'],
    [413, 'The workflow is larger than ComfyUI takes in one request.'],
  ])('is workflow_rejected when the answer is %i without JSON', async (status, detail) => {
    const server = await serve(answers({ '/prompt': { status, body: 'Maximum request body size exceeded' } }));
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect([error.code, error.detail]).toEqual(['workflow_rejected', detail]);
  });

  it.each([
    [500, 'comfyui_error'],
    [502, 'instance_unreachable'],
    [504, 'instance_unreachable'],
  ])('has an unknown outcome when the answer is %i', async (status, code) => {
    const server = await serve(answers({ '/prompt': { status, body: '500 Internal Server Error' } }));
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error).toBeInstanceOf(SubmissionUnknown);
    expect(error.code).toBe(code);
    expect(error.detail).toBe(`The ComfyUI instance gpu/1 answered ${status} to POST /prompt.`);
  });

  it.each([['<html></html>'], ['{"number": 1}']])(
    'has an unknown outcome when the answer is 200 with %s',
    async (body) => {
      const server = await serve(answers({ '/prompt': { body } }));
      const error = await failureOf(clientOf(server.url).submit(graph, submission()));
      expect(error).toBeInstanceOf(SubmissionUnknown);
      expect(error.code).toBe('comfyui_error');
    },
  );

  it('has an unknown outcome when the connection breaks before the answer', async () => {
    const server = await serve((_request, _response, raw) => raw.socket.destroy());
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error).toBeInstanceOf(SubmissionUnknown);
    expect(error.code).toBe('instance_unreachable');
    expect(error.detail).toBe('The ComfyUI instance gpu/1 broke off the connection.');
  });

  it('has an unknown outcome when there is no answer in time', async () => {
    const server = await serve(() => undefined);
    const error = await failureOf(clientOf(server.url, 50).submit(graph, submission()));
    expect(error).toBeInstanceOf(SubmissionUnknown);
    expect(error.detail).toBe('The ComfyUI instance gpu/1 did not answer within 50 ms.');
  });

  it('was certainly not accepted when the connection is refused', async () => {
    const server = await serve(() => undefined);
    await server.close();
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error).not.toBeInstanceOf(SubmissionUnknown);
    expect([error.code, error.detail]).toEqual([
      'instance_unreachable',
      'The ComfyUI instance gpu/1 refused the connection.',
    ]);
  });

  it('was certainly not accepted when the host name does not resolve', async () => {
    const error = await failureOf(clientOf('http://nowhere.invalid:8188').submit(graph, submission()));
    expect(error).not.toBeInstanceOf(SubmissionUnknown);
    expect(error.code).toBe('instance_unreachable');
    expect(error.detail).toBe('The ComfyUI instance gpu/1 has a host name that cannot be resolved.');
  });

  it.each([[302], [404]])('is comfyui_error when the answer is %i', async (status) => {
    const server = await serve((_request, response) => {
      response.writeHead(status, { Location: '/elsewhere' }).end();
    });
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error).not.toBeInstanceOf(SubmissionUnknown);
    expect(error.code).toBe('comfyui_error');
    expect(server.seen).toHaveLength(1);
  });

  it('is comfyui_error when the server gives the prompt another id', async () => {
    const server = await serve(answers({ '/prompt': { body: accepted.replace(PROMPT_ID, 'other') } }));
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error.code).toBe('comfyui_error');
    expect(error.detail).toContain('too old, update it. The prompt may still run there.');
  });

  it.each([
    ['waits', 'pending', ['POST /queue {"delete":["other"]}', 'GET /queue ']],
    [
      'has begun',
      'running',
      ['POST /queue {"delete":["other"]}', 'GET /queue ', 'POST /interrupt {"prompt_id":"other"}'],
    ],
    [
      'begins just then',
      'beginning',
      [
        'POST /queue {"delete":["other"]}',
        'GET /queue ',
        'POST /queue {"delete":["other"]}',
        'GET /queue ',
        'POST /interrupt {"prompt_id":"other"}',
      ],
    ],
  ])('takes the prompt out of the queue when the server gives it another id and it %s', async (_when, state, asked) => {
    let looks = 0;
    const server = await serve(({ method, url }, response) => {
      if (url === '/prompt') return response.end(accepted.replace(PROMPT_ID, 'other'));
      if (method === 'POST') return response.end();
      looks += 1;
      const entry = [0, 'other', {}, {}, []];
      const isRunning = state === 'running' || (state === 'beginning' && looks > 1);
      const isPending = state === 'beginning' && looks === 1;
      response.end(
        JSON.stringify({ queue_running: isRunning ? [entry] : [], queue_pending: isPending ? [entry] : [] }),
      );
    });
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error.code).toBe('comfyui_error');
    expect(error.detail).toMatch(/too old, update it\.$/);
    expect(server.seen.slice(1).map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual(asked);
  });

  it('rejects with the reason of the abort when the caller aborts while waiting for the answer', async () => {
    const abort = new AbortController();
    const server = await serve(() => abort.abort(new Error('shutting down')));
    const submitting = clientOf(server.url).submit(graph, { ...submission(), signal: abort.signal });
    await expect(submitting).rejects.toThrow(/^shutting down$/);
  });

  it('sends nothing when the caller has aborted already', async () => {
    const server = await serve(answers({}));
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(clientOf(server.url).submit(graph, { ...submission(), signal })).rejects.toThrow(/^too late$/);
    expect(server.seen).toEqual([]);
  });

  it('keeps the address of the server out of errors', async () => {
    const server = await serve(() => undefined);
    await server.close();
    const error = await failureOf(clientOf(server.url).submit(graph, submission()));
    expect(error).toBeInstanceOf(FleetError);
    expect(error.message + error.detail + JSON.stringify(error.errors)).not.toContain('127.0.0.1');
  });
});
