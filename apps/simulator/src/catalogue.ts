import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parseJson } from './json/parse.js';
import { isObject, type Json, type JsonObject } from './json/values.js';
import type { ComfyVersion, SimulatorSettings } from './settings.js';

/** One input of a node class as /object_info describes it: `[type or choices, options]`. */
export interface InputSpec {
  readonly required: boolean;
  readonly type: Json;
  readonly options: JsonObject;
  /** As the server shows it in an error: always a pair. */
  readonly config: Json;
}

const PICTURE_FILES = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.bmp', '.svg', '.tif', '.tiff', '.ico']);

/** What the known node classes look like, with the lists of files as they are at this moment. */
export class Catalogue {
  private readonly descriptions: Partial<Record<ComfyVersion, JsonObject>> = {};
  private readonly settings: () => SimulatorSettings;
  private readonly inputDir: string;

  constructor(settings: () => SimulatorSettings, inputDir: string) {
    this.settings = settings;
    this.inputDir = inputDir;
  }

  has(classType: string): boolean {
    return Object.hasOwn(this.current(), classType);
  }

  isOutput(classType: string): boolean {
    return this.raw(classType)?.output_node === true;
  }

  /** Types of the output slots. */
  returnTypes(classType: string): readonly Json[] {
    return (this.raw(classType)?.output as Json[] | undefined) ?? [];
  }

  inputs(classType: string): ReadonlyMap<string, InputSpec> {
    const specs = new Map<string, InputSpec>();
    const input = this.describe(classType)?.input;
    for (const category of ['required', 'optional'] as const) {
      const named = isObject(input) ? input[category] : undefined;
      for (const [name, pair] of Object.entries(isObject(named) ? named : {})) {
        const [type, options = {}] = pair as [Json, JsonObject | undefined];
        specs.set(name, { required: category === 'required', type, options, config: [type, options] });
      }
    }
    return specs;
  }

  /** The answer of /object_info/{class}: undefined for an unknown one. */
  describe(classType: string): JsonObject | undefined {
    const raw = this.raw(classType);
    if (raw === undefined) return undefined;
    const input = Object.fromEntries(
      Object.entries(raw.input as JsonObject).map(([category, specs]) => [
        category,
        this.withChoices(classType, specs),
      ]),
    );
    return { ...raw, input };
  }

  all(): JsonObject {
    return Object.fromEntries(Object.keys(this.current()).map((name) => [name, this.describe(name) ?? null]));
  }

  private withChoices(classType: string, specs: Json): Json {
    if (!isObject(specs)) return specs;
    const filled = Object.entries(specs).map(([name, pair]): [string, Json] => {
      const choices = this.choices(classType, name);
      if (choices === undefined || !Array.isArray(pair)) return [name, pair];
      const [type, options] = pair as [Json, JsonObject | undefined];
      // The two forms of a choice: the list itself, or COMBO with the list in its options.
      return [name, type === 'COMBO' ? [type, { ...options, options: choices }] : [choices, ...pair.slice(1)]];
    });
    return Object.fromEntries(filled);
  }

  /** The files that stand in an input's list of choices, where the list depends on the installation. */
  private choices(classType: string, input: string): string[] | undefined {
    const settings = this.settings();
    switch (`${classType}.${input}`) {
      case 'CheckpointLoaderSimple.ckpt_name':
        return settings.checkpoints;
      case 'LoraLoader.lora_name':
      case 'LoraLoaderModelOnly.lora_name':
        return settings.loras;
      case 'VAELoader.vae_name':
        return [...settings.vaes, 'pixel_space'];
      case 'ControlNetLoader.control_net_name':
        return settings.controlnets;
      case 'UNETLoader.unet_name':
        return settings.diffusionModels;
      case 'LoadImage.image':
        return this.inputFiles();
      default:
        return /CLIPLoader\.clip_name\d?$/.test(`${classType}.${input}`) ? settings.textEncoders : undefined;
    }
  }

  private inputFiles(): string[] {
    const entries = readdirSync(this.inputDir, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile() && PICTURE_FILES.has(extname(entry.name).toLowerCase()));
    return names.map((entry) => entry.name).sort();
  }

  private current(): JsonObject {
    const { version } = this.settings();
    this.descriptions[version] ??= readDescriptions(version);
    return this.descriptions[version];
  }

  private raw(classType: string): JsonObject | undefined {
    return this.has(classType) ? (this.current()[classType] as JsonObject) : undefined;
  }
}

function readDescriptions(version: ComfyVersion): JsonObject {
  const file = new URL(`../data/object-info-${version}.json`, import.meta.url);
  return parseJson(readFileSync(file, 'utf8')) as JsonObject;
}
