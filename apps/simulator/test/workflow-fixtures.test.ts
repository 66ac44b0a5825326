import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.js';

type Graph = Record<string, { class_type: string; inputs: Record<string, unknown> }>;
interface Entry {
  status: { status_str: string };
  outputs: Record<string, { images: unknown[] }>;
}

/** The saved graphs that also test the binding of workflows, without those that need custom nodes. */
const FIXTURES = [
  'base-refiner',
  'batch',
  'cfg-guider',
  'controlnet',
  'flux-dev',
  'flux-ksampler',
  'img2img-advanced',
  'img2img-inpaint',
  'ksampler-advanced',
  'sampler-custom',
  'sd3',
  'sdxl-lora',
  'two-saves',
];

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());

/** Installs the files that the graph names. */
async function install(graph: Graph): Promise<void> {
  const named = (pattern: RegExp) =>
    Object.values(graph).flatMap(({ inputs }) =>
      Object.entries(inputs).flatMap(([name, value]) =>
        pattern.test(name) && typeof value === 'string' ? [value] : [],
      ),
    );
  simulator.set({
    checkpoints: named(/^ckpt_name$/),
    loras: named(/^lora_name$/),
    vaes: named(/^vae_name$/),
    controlnets: named(/^control_net_name$/),
    diffusionModels: named(/^unet_name$/),
    textEncoders: named(/^clip_name\d?$/),
  });
  const picture = readFileSync(new URL('./fixtures/picture.png', import.meta.url));
  for (const name of named(/^image$/)) {
    const form = new FormData();
    form.set('image', new Blob([picture]), name);
    expect((await fetch(`${simulator.url}/upload/image`, { method: 'POST', body: form })).status).toBe(200);
  }
}

it.each(FIXTURES)('runs the workflow fixture %s to a picture', async (name) => {
  const file = new URL(`../../../packages/workflows/test/fixtures/${name}.json`, import.meta.url);
  // One saved graph has a seed that PrimitiveInt does not accept. Binding would replace it.
  const text = readFileSync(file, 'utf8')
    .replaceAll('18446744073709551615', '42')
    // Large pictures take a second each and test nothing more.
    .replaceAll(/("(?:width|height)": )\d+/g, '$164');
  await install(JSON.parse(text) as Graph);
  const answer = await fetch(`${simulator.url}/prompt`, { method: 'POST', body: `{"prompt": ${text}}` });
  const body = (await answer.json()) as { prompt_id: string };
  expect(answer.status, JSON.stringify(body)).toBe(200);
  let entry: Entry | undefined;
  while (entry === undefined) {
    const history = (await (await fetch(`${simulator.url}/history/${body.prompt_id}`)).json()) as Record<string, Entry>;
    entry = history[body.prompt_id];
    await delay(10);
  }
  expect(entry.status.status_str, JSON.stringify(entry.status)).toBe('success');
  expect(Object.values(entry.outputs).flatMap(({ images }) => images)).not.toHaveLength(0);
});
