import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Simulator, startSimulator } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startOddComfyUi } from './odd-comfyui.js';
import { run } from './run.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-look-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function comfyui(settings: Parameters<typeof startSimulator>[0] = {}): Promise<Simulator> {
  const simulator = await startSimulator({ deviceName: 'NVIDIA GeForce RTX 4090', ...settings });
  onTestFinished(() => simulator.close());
  return simulator;
}

async function look(urls: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const settings = { WORKER_NAME: 'local', COMFYUI_URLS: urls.join(','), ...env };
  const { code, stdout } = await run(['instances', '--json'], settings);
  const { instances, text2img } = JSON.parse(stdout) as {
    instances: { name: string; answers: boolean; text: string }[];
    text2img: { checkpoint: string | null } | null;
  };
  return { code, texts: instances.map(({ text }) => text), answers: instances.map(({ answers }) => answers), text2img };
}

it('describes an instance and the workflows it can run', async () => {
  const { url } = await comfyui();
  expect(await look([url])).toEqual({
    code: 0,
    answers: [true],
    texts: [
      `local/1 (${url}) is ComfyUI 0.3.64 with NVIDIA GeForce RTX 4090 24 GiB and 2 checkpoints (sd_xl_base_1.0.safetensors, v1-5-pruned-emaonly.safetensors). It can run text2img and img2img.`,
    ],
    text2img: { checkpoint: null },
  });
});

it('says that there is nothing to show if the settings name no ComfyUI', async () => {
  const { code, stdout, stderr } = await run(['instances'], { WORKER_NAME: 'local' });
  expect([code, stdout]).toEqual([0, '']);
  expect(stderr).toContain('Neither COMFYUI_URLS nor COMFYUI_INSTANCES_FILE is set');
});

it("says what to set when the workflows' checkpoint is missing, and which checkpoint a request can name", async () => {
  const { url } = await comfyui({ version: '0.33.0', checkpoints: ['SD15/fox 1.safetensors', 'owl.safetensors'] });
  expect(await look([url])).toEqual({
    code: 1,
    answers: [true],
    texts: [
      `local/1 (${url}) is ComfyUI 0.33.0 with NVIDIA GeForce RTX 4090 24 GiB and 2 checkpoints. ` +
        'It cannot run text2img and img2img: it lacks sd_xl_base_1.0.safetensors for ckpt_name of CheckpointLoaderSimple (it has SD15/fox 1.safetensors, owl.safetensors). ' +
        "Set CHECKPOINT='SD15/fox 1.safetensors', or another that is there, or put the file into its models/checkpoints and press R in ComfyUI (or restart it).",
    ],
    text2img: { checkpoint: 'SD15/fox 1.safetensors' },
  });
  const told = await look([url], { CHECKPOINT: 'owl.safetensors' });
  expect(told).toMatchObject({ code: 0, text2img: { checkpoint: null } });
  expect(told.texts[0]).toMatch(/It can run text2img and img2img\.$/);
});

it('names instances that do not answer, are not a ComfyUI, reject our credentials, or have no checkpoint', async () => {
  const none = await comfyui({ checkpoints: [] });
  const closed = await comfyui({ requiredHeader: 'X-API-Key: secret' });
  const odd = await startOddComfyUi(none.url, { lacks: 'VAEDecode' });
  onTestFinished(() => odd.close());
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const { texts, answers, text2img, code } = await look([
    nobody,
    `${none.url}/elsewhere`,
    closed.url,
    none.url,
    odd.url,
  ]);
  expect([code, answers, text2img]).toEqual([1, [false, false, false, true, true], null]);
  expect(texts).toEqual([
    `The ComfyUI instance local/1 (${nobody}) refused the connection. Start ComfyUI there (python main.py --listen), or correct its address.`,
    expect.stringMatching(
      /^The ComfyUI instance local\/2 .* answered 404 to GET \/system_stats\. It is not a ComfyUI\. /,
    ),
    expect.stringMatching(
      /^The ComfyUI instance local\/3 .* asks for credentials \(401\)\. Give local\/3 .* headers in /,
    ),
    expect.stringMatching(
      / and no checkpoint\. It cannot run .*\(there is none\)\. Put the file into its models\/checkpoints/,
    ),
    expect.stringMatching(
      / and the node class VAEDecode\. .* Install the custom node that brings VAEDecode there .* out of text2img\.json\.$/,
    ),
  ]);
});

it('reads the instances file, and says what is wrong with it', async () => {
  const { url } = await comfyui({ requiredHeader: 'X-API-Key: secret' });
  const file = join(dir, 'instances.yaml');
  const settings = { WORKER_NAME: 'w', COMFYUI_INSTANCES_FILE: file };
  await writeFile(file, `instances: [{ name: studio, url: ${url}, headers: { X-API-Key: secret } }]`);
  const { code, stdout } = await run(['instances'], settings);
  expect([code, stdout.split(' is ')[0]]).toEqual([0, `w/studio (${url})`]);
  await writeFile(file, 'instances: [{ name: studio }]');
  expect(await run(['instances'], settings)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('instance no. 1 (studio): url is missing'),
  });
});
