import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../src/json/values.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { AnyGraph } from './any-graph.js';
import { askJson } from './client.js';
import { ending } from './running.js';

/** Folders that have no models of their own in the settings. */
const FOLDERS = `clip_vision style_models gligen hypernetworks photomaker audio_encoders background_removal diffusers
  upscale_models latent_upscale_models frame_interpolation optical_flow geometry_estimation detection model_patches`;
const modelFiles = Object.fromEntries(FOLDERS.split(/\s+/).map((folder) => [folder, [`${folder}.safetensors`]]));
const picture = new URL('./fixtures/picture.png', import.meta.url);
/** They take folders of pictures to train with, and the simulator has none. */
const UNTRAINED = /^Load(ImageSetFromFolderNode|ImageTextSetFromFolderNode|TrainingDataset)$/;
/** Nodes a prompt; every frame names all of them. */
const AT_ONCE = 40;

function trained(described: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(described).filter(([name]) => !UNTRAINED.test(name)));
}

describe.each([
  ['0.3.64', 382],
  ['0.33.0', 632],
] as const)('the classes of %s', (version, count) => {
  let simulator: Simulator;
  let described: JsonObject;
  beforeAll(async () => {
    simulator = await startSimulator({ version, modelFiles });
    mkdirSync(join(simulator.dir, 'input', '3d'));
    for (const file of ['a.png', 'a.mp4', 'a.flac', 'a.latent', '3d/a.glb']) {
      copyFileSync(picture, join(simulator.dir, 'input', file));
    }
    described = await askJson(simulator.url, 'GET', '/object_info');
  });
  afterAll(() => simulator.close());

  /** How a prompt with all of these classes in it ended. */
  async function run(classes: readonly string[]) {
    const any = new AnyGraph(trained(described));
    for (const classType of classes) {
      const id = any.add(classType);
      const isOutput = (described[classType] as JsonObject).output_node === true;
      if (!isOutput) any.graph[`seen ${id}`] = { class_type: 'PreviewAny', inputs: { source: [id, 0] } };
    }
    const answer = await askJson(simulator.url, 'POST', '/prompt', { prompt: any.graph });
    if (Object.keys((answer.node_errors ?? {}) as JsonObject).length > 0) return answer;
    const id = String(answer.prompt_id);
    for (;;) {
      const entry = (await askJson(simulator.url, 'GET', `/history/${id}`))[id];
      if (entry !== undefined) return ending(entry as JsonObject);
      await delay(10);
    }
  }

  it('are all listed', () => {
    expect(Object.keys(described)).toHaveLength(count);
  });

  it('all run', async () => {
    const classes = Object.keys(trained(described));
    for (let at = 0; at < classes.length; at += AT_ONCE) {
      expect(await run(classes.slice(at, at + AT_ONCE))).toMatchObject(['execution_success', {}]);
    }
  });
});
