import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../src/python.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { askJson } from './client.js';
import { ending } from './running.js';

/** Folders without a setting of their own. */
const FOLDERS = `clip_vision style_models gligen hypernetworks photomaker audio_encoders background_removal diffusers
  upscale_models latent_upscale_models frame_interpolation optical_flow geometry_estimation detection model_patches`;
const modelFiles = Object.fromEntries(FOLDERS.split(/\s+/).map((folder) => [folder, [`${folder}.safetensors`]]));
const picture = new URL('./fixtures/picture.png', import.meta.url);
/** Classes that need folders of training pictures, which the simulator does not have. */
const UNTRAINED = /^Load(ImageSetFromFolderNode|ImageTextSetFromFolderNode|TrainingDataset)$/;
/** How many nodes one prompt has. More would slow it down, as every frame names all nodes. */
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

  /** Runs a prompt with all of these classes, and returns how it ended. */
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

  it('are all in /object_info', () => {
    expect(Object.keys(described)).toHaveLength(count);
  });

  it('all run to a successful end', async () => {
    const classes = Object.keys(trained(described));
    for (let at = 0; at < classes.length; at += AT_ONCE) {
      expect(await run(classes.slice(at, at + AT_ONCE))).toMatchObject(['execution_success', {}]);
    }
  });
});

type Described = Record<string, { input: JsonObject; output: Json[]; output_node: boolean }>;

/** Classes that make a small value of each type and need little themselves. */
const FAVOURITES: Readonly<Record<string, string>> = {
  IMAGE: 'EmptyImage',
  LATENT: 'EmptyLatentImage',
  MODEL: 'UNETLoader',
  CLIP: 'CLIPLoader',
  VAE: 'VAELoader',
  CONDITIONING: 'CLIPTextEncode',
};
const SMALL = new Set(['width', 'height']);

/** Builds a graph from the catalogue alone: each required input gets its default, its first choice, or a link. */
export class AnyGraph {
  readonly graph: JsonObject = {};
  private readonly described: Described;
  private readonly byClass = new Map<string, string>();

  constructor(described: JsonObject) {
    this.described = described as unknown as Described;
  }

  /** Adds a node of this class and all nodes that it needs. Returns its id. */
  add(classType: string): string {
    const known = this.byClass.get(classType);
    if (known !== undefined) return known;
    const id = String(this.byClass.size + 1);
    this.byClass.set(classType, id);
    const inputs: JsonObject = {};
    this.fill(inputs, (this.described[classType]?.input.required ?? {}) as JsonObject, '');
    this.graph[id] = { class_type: classType, inputs };
    return id;
  }

  private fill(inputs: JsonObject, specs: JsonObject, prefix: string): void {
    for (const [name, spec] of Object.entries(specs)) {
      const [type, options = {}] = spec as [Json, JsonObject | undefined];
      const full = `${prefix}${name}`;
      if (type === 'COMFY_AUTOGROW_V3') this.grow(inputs, options.template as JsonObject, `${full}.`);
      else if (type === 'COMFY_DYNAMICCOMBO_V3') {
        const [first] = options.options as JsonObject[];
        inputs[full] = first?.key ?? null;
        this.fill(inputs, ((first?.inputs ?? {}) as Record<string, JsonObject>).required ?? {}, `${full}.`);
      } else
        inputs[full] =
          SMALL.has(name) && type === 'INT' ? small(options) : (widget(type, options) ?? this.link(String(type)));
    }
  }

  private grow(inputs: JsonObject, template: JsonObject, prefix: string): void {
    const [spec] = Object.values((template.input as JsonObject).required ?? {});
    if (spec === undefined) return;
    const names = (template.names as string[] | undefined) ?? [];
    for (let index = 0; index < Number(template.min); index++) {
      this.fill(inputs, { [names[index] ?? `${template.prefix}${index}`]: spec }, prefix);
    }
  }

  private link(wanted: string): Json {
    const types = wanted === '*' || wanted.startsWith('COMFY_MATCHTYPE') ? ['IMAGE'] : wanted.split(',');
    for (const type of types) {
      const makers = [FAVOURITES[type] ?? '', ...Object.keys(this.described)];
      // not a node that is still being filled, which would make a cycle
      const isFree = (name: string) =>
        !this.byClass.has(name) || this.graph[this.byClass.get(name) ?? ''] !== undefined;
      const maker = makers.find((name) => this.described[name]?.output.includes(type) && isFree(name));
      if (maker !== undefined) return [this.add(maker), this.described[maker]?.output.indexOf(type) ?? 0];
    }
    // a type whose values only the front end makes
    return 'made by a widget';
  }
}

function small(options: JsonObject): Json {
  return Math.max(Number(options.min ?? 0), 64);
}

function widget(type: Json, options: JsonObject): Json | undefined {
  const choices = Array.isArray(type) ? type : type === 'COMBO' ? ((options.options ?? []) as Json[]) : undefined;
  if (choices !== undefined)
    return choices.includes(options.default ?? '') ? (options.default ?? '') : (choices[0] ?? '');
  if (options.forceInput === true) return undefined;
  // a plain list would be a link
  if (Array.isArray(options.default)) return { __value__: options.default };
  const empty: Record<string, Json> = { INT: 0, FLOAT: 0, STRING: '', BOOLEAN: false };
  return options.default ?? empty[String(type)];
}
