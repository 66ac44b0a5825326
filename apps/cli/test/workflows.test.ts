import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowAnswer } from '@comfy-fleet/contracts';
import { freePort, type Simulator, startSimulator } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describePublished } from '../src/workflows/describe.js';
import { run } from './run.js';

const UPSCALE = {
  1: { class_type: 'LoadImage', inputs: { image: 'example.png' }, _meta: { title: 'input:photo' } },
  2: {
    class_type: 'ImageScale',
    inputs: { image: ['1', 0], width: 2048, height: 2048, upscale_method: 'magic', crop: 'disabled' },
  },
  3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
};

let dir: string;
let simulator: Simulator;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-check-'));
  await writeFile(join(dir, 'upscale.json'), JSON.stringify(UPSCALE));
  await writeFile(join(dir, 'editor.json'), JSON.stringify({ nodes: [], links: [] }));
  await writeFile(
    join(dir, 'song.json'),
    '{"9": {"class_type": "SingASong", "inputs": {"seed": 18446744073709551615}}}',
  );
  simulator = await startSimulator();
});
afterAll(async () => {
  await simulator.close();
  await rm(dir, { recursive: true, force: true });
});

it('shows inputs, outputs and requirements of a file, and what ComfyUI would refuse', async () => {
  const { code, stdout, stderr } = await run([
    'workflows',
    'check',
    join(dir, 'upscale.json'),
    '--comfyui',
    simulator.url,
  ]);
  expect(code).toBe(1);
  expect(stderr).toBe(`Types, bounds and options come from ${simulator.url}.\n`);
  expect(stdout.split('\n')).toEqual([
    'upscale',
    '',
    'Inputs:',
    '  photo  a picture, required',
    '         → image of "input:photo" (node 1, LoadImage); found by the title of a node',
    '',
    'Outputs:',
    '  image ← node 3 (SaveImage)',
    '',
    'Required node classes:',
    '  ImageScale, LoadImage, SaveImage',
    '',
    'ComfyUI would refuse it:',
    expect.stringMatching(/^ {2}node 2 \(ImageScale\): upscale_method is "magic", and there is only nearest-exact, /),
    '',
    'A request:',
    '  {"inputs":{"photo":"asset:<id>"}}',
    '',
  ]);
});

it('uses only the graph if no ComfyUI answers, and says so', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, stdout, stderr } = await run(['workflows', 'check', join(dir, 'upscale.json')], { COMFYUI_URLS: url });
  expect(code).toBe(0);
  expect(stderr).toMatch(/refused the connection\. Types are taken only from the values in the graph/);
  expect(stdout).not.toMatch(/would refuse/);
});

it('refuses a file in the format of the editor, and says how to export it for the API', async () => {
  const { code, stderr } = await run(['workflows', 'check', join(dir, 'editor.json'), '--comfyui', simulator.url]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /editor\.json: is saved in the format of ComfyUI's editor .* choose Workflow → Export \(API\)/,
  );
  const missing = await run(['workflows', 'check', join(dir, 'nothing.json'), '--comfyui', simulator.url]);
  expect(missing).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/nothing\.json: there is no such file\.\n$/),
  });
});

it('prints the whole description as JSON, with exact seeds', async () => {
  await writeFile(
    join(dir, 'song.inputs.json'),
    '{"inputs": {"luck": {"node": "9", "default": 18446744073709551615}}}',
  );
  const { stdout } = await run(['workflows', 'check', join(dir, 'song.json'), '--json', '--comfyui', simulator.url]);
  expect(stdout).toContain('"default":18446744073709551615');
  expect(JSON.parse(stdout)).toMatchObject({
    name: 'song',
    inputs: [{ name: 'luck', rule: 'inputsFile', slots: [{ node: '9', input: 'seed' }] }],
    refused: [expect.stringMatching(/^node 9 \(SingASong\): there is no node class SingASong/)],
  });
});

it('lists the workflows of the folder, and shows one', async () => {
  const list = await run(['workflows', 'list', '--comfyui', simulator.url]);
  expect(list.code).toBe(0);
  expect(list.stdout).toMatch(/^img2img: prompt, .*image.* → image\ntext2img: prompt, .* → image\n$/);
  expect(list.stderr).toMatch(/^Read from \S+workflows\. To ask an API, name it with --url\.$/m);
  const shown = await run(['workflows', 'show', 'text2img', '--comfyui', simulator.url]);
  expect(shown.stdout).toMatch(/steps +whole number from 1 up to 150; \d+ by default/);
  const unknown = await run(['workflows', 'show', 'text3img', '--comfyui', simulator.url]);
  expect(unknown).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /There is no text3img in .*, did you mean "text2img"\? Available: .*img2img, text2img/,
    ),
  });
});

it('explains its usage', async () => {
  expect((await run(['workflows', '--help'])).stdout).toMatch(/check .*<file>/);
  const missing = await run(['workflows', 'check']);
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/missing required argument 'file'/) });
  const unknown = await run(['workflows', 'chekc', 'x']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/unknown command 'chekc'.*check/s) });
});

it('exits with 4 if the API does not answer', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  expect(await run(['workflows', 'list', '--url', url])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining(url),
  });
});

it('publishes to the API of this machine unless another is named, as all commands do', async () => {
  const port = `${await freePort()}`;
  const env = { PORT: port, PUBLIC_URL: 'https://fleet.example' };
  expect(await run(['workflows', 'add', join(dir, 'upscale.json')], env)).toMatchObject({
    code: 4,
    stderr: expect.stringContaining(`http://127.0.0.1:${port} does not answer`),
  });
});

it('shows a request for the address at which the API was reached, not the address that the API knows', () => {
  const workflow = {
    name: 'flux',
    version: '0',
    source: 'registry',
    description: null,
    inputs: {},
    found: [],
    outputs: [],
    models: [],
    node_classes: [],
    node_times: [],
    pools: [],
    unsettled: [],
    refused: [],
    example: { curl: "curl 'http://localhost:3000/workflows/flux' -d '{}'" },
  };
  const told = describePublished(workflow as unknown as WorkflowAnswer, 'https://pictures.example/api');
  expect(told).toContain("curl 'https://pictures.example/api/workflows/flux' -d '{}'");
});
