import { CallWrapper, ComfyApi, PromptBuilder } from '@saintno/comfyui-sdk';
import { Client, plugins } from '@stable-canvas/comfyui-client';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../../src/index.js';
import { drawing, startV2Stack, type V2Stack } from './comfy-v2/v2-stack.js';

let fleet: V2Stack;
let comfyuiPort: number;
beforeEach(async () => {
  // Of a port that somebody else takes meanwhile, the API says so, and the test fails.
  comfyuiPort = await freePort();
  // saintno asks for the queue after each status, once for each prompt that it waits for.
  const key = { limits: { requests_per_minute: 100_000 } };
  fleet = await startV2Stack(3, 30, { env: { COMFYUI_PORT: `${comfyuiPort}` }, key });
});
afterEach(() => fleet?.close());

const base = (key: string) => `${fleet.stack.url}/comfyui/k/${key}`;

/** A saintno client, connected. */
async function saintno(key: string, clientId: string): Promise<ComfyApi> {
  const api = new ComfyApi(base(key), clientId, { forceWs: true });
  onTestFinished(() => api.destroy());
  const connected = new Promise<void>((resolve) => api.on('connected', () => resolve()));
  await api.init().waitForReady();
  await connected;
  return api;
}

/** A prompt for it that draws one picture. */
function building(seed: number, steps = 4) {
  const graph = Object.entries(drawing(steps, seed)).map(([id, node]) => [id, { ...node, _meta: { title: id } }]);
  return new PromptBuilder(Object.fromEntries(graph), [], ['images']).setOutputNode('images', '6');
}

describe('@saintno/comfyui-sdk', () => {
  it('hears that its prompt was interrupted, not that it went missing', async () => {
    const api = await saintno('anna', 'one client');
    const failures: string[] = [];
    const wrapper = new CallWrapper(api, building(1, 400));
    const result = await wrapper
      .onStart(() => void api.interrupt())
      .onFailed((error) => failures.push(error.message))
      .run();
    expect(result).toBe(false);
    expect(failures).toEqual(['The execution was interrupted!']);
  });
});

describe('@stable-canvas/comfyui-client', () => {
  type Result = Awaited<ReturnType<Client['enqueue']>>;
  const drawn = async ({ images }: Result) => {
    const [image] = images.filter(({ type }) => type === 'url');
    if (image?.type !== 'url') throw new Error('no picture');
    // Its plugin for tokens has none for pictures.
    const answer = await fetch(image.data, { headers: { 'X-API-Key': 'anna' } });
    return Buffer.from(await answer.arrayBuffer());
  };
  const isRight = async (results: readonly Result[]) =>
    Promise.all(results.map(async (result, n) => (await drawn(result)).includes(`a fox, number ${n}`)));

  it('gets pictures over its socket, which takes no path before it, with progress', async () => {
    const client = new Client({ api_host: `127.0.0.1:${comfyuiPort}`, clientId: 'a canvas', WebSocket });
    onTestFinished(() => client.close());
    client.use(new plugins.LoginAuthPlugin({ token: 'anna' }));
    await client.connect();
    const steps: number[] = [];
    const progress = ({ value }: { value: number }) => void steps.push(value);
    const results = await Promise.all([0, 1, 2].map((seed) => client.enqueue(drawing(60, seed), { progress })));
    expect(await isRight(results)).toEqual([true, true, true]);
    expect(steps.length).toBeGreaterThan(0);
  });

  it('gets pictures by asking again and again, with its key in the path', async () => {
    const { host, pathname } = new URL(base('anna'));
    const client = new Client({ api_host: host, api_base: pathname, WebSocket });
    onTestFinished(() => client.close());
    const ask = (seed: number) => client.enqueue_polling(drawing(4, seed), { polling_ms: 100 });
    expect(await isRight(await Promise.all([0, 1, 2].map(ask)))).toEqual([true, true, true]);
  });
});
