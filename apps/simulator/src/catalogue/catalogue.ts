import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type NodeInput, nodeInputs } from '@comfy-fleet/workflows';
import { dataFile } from '../folders.js';
import type { Folders } from '../nodes/node.js';
import { isObject, type Json, type JsonObject, parseJson, writeJson } from '../python.js';
import type { SimulatorSettings } from '../settings.js';
import { fileChoices, type Installed, mayListFiles, modelFolder, modelsIn, namedModels } from './installed-files.js';
import { ModelsFolder } from './models-folder.js';

interface Written {
  /** The JSON of every class in order, and the positions of classes that list files. */
  readonly texts: string[];
  readonly listing: readonly { readonly index: number; readonly name: string }[];
}

/** Describes the node classes, with their current lists of files. */
export class Catalogue {
  private readonly settings: () => SimulatorSettings;
  private readonly folders: Pick<Folders, 'root' | 'input'>;
  private models: ModelsFolder;
  private written: { readonly of: ClassTexts; readonly parts: Written; answer: Buffer } | undefined;

  constructor(settings: () => SimulatorSettings, folders: Pick<Folders, 'root' | 'input'>) {
    this.settings = settings;
    this.folders = folders;
    this.models = new ModelsFolder(this.modelsDir);
  }

  /** The model files of a folder, as /models/{folder} lists them. */
  modelsIn(folder: string): readonly string[] {
    return modelsIn(folder, this.installed);
  }

  /** The folder of the model that this value of an input names, if the file has been deleted since it was listed. */
  folderWithout(classType: string, input: string, file: Json): string | undefined {
    const folder = modelFolder(classType, input);
    if (folder === undefined || typeof file !== 'string' || !/\.\w+$/.test(file)) return undefined;
    const { settings, models } = this.installed;
    return namedModels(folder, settings).includes(file) || models.has(folder, file) ? undefined : folder;
  }

  has(classType: string): boolean {
    return this.classes.texts.has(classType);
  }

  isOutput(classType: string): boolean {
    return this.raw(classType)?.output_node === true;
  }

  /** The inputs of a node of this class that has the given values. */
  inputs(classType: string, given: JsonObject): ReadonlyMap<string, NodeInput> {
    return new Map(nodeInputs(this.describe(classType), given).map((input) => [input.name, input]));
  }

  /** The descriptions of the given classes, without unknown ones. */
  describeAll(classTypes: readonly string[]): JsonObject {
    const known = classTypes.filter((name) => this.has(name));
    return Object.fromEntries(known.map((name) => [name, this.describe(name) as JsonObject]));
  }

  /** The answer to /object_info/{class}; undefined for an unknown class. */
  describe(classType: string): JsonObject | undefined {
    const raw = this.raw(classType);
    if (raw === undefined || !mayListFiles(classType, this.classes.texts.get(classType) ?? '')) return raw;
    const input = Object.entries(raw.input as JsonObject).map(([category, specs]) => [
      category,
      this.withChoices(classType, specs),
    ]);
    return { ...raw, input: Object.fromEntries(input) };
  }

  /**
   * The answer to /object_info. Each call writes only classes that list files; the whole is rewritten if a list
   * changed.
   */
  all(): Buffer {
    const { classes } = this;
    if (this.written?.of !== classes) this.written = { of: classes, parts: prepare(classes), answer: Buffer.alloc(0) };
    const { parts } = this.written;
    let changed = this.written.answer.length === 0;
    for (const { index, name } of parts.listing) {
      const text = member(name, writeJson(this.describe(name)));
      changed ||= text !== parts.texts[index];
      parts.texts[index] = text;
    }
    if (changed) this.written.answer = Buffer.from(`{${parts.texts.join(', ')}}`);
    return this.written.answer;
  }

  private withChoices(classType: string, specs: Json): Json {
    if (!isObject(specs)) return specs;
    const filled = Object.entries(specs).map(([name, pair]): [string, Json] => {
      if (!Array.isArray(pair)) return [name, pair];
      const [type, options] = pair as [Json, JsonObject | undefined];
      if (type !== 'COMBO' && !Array.isArray(type)) return [name, pair];
      const choices = fileChoices(classType, name, options ?? {}, this.installed);
      if (choices === undefined) return [name, pair];
      // A choice is either the list itself, or COMBO with the list in its options.
      return [name, type === 'COMBO' ? [type, { ...options, options: choices }] : [choices, ...pair.slice(1)]];
    });
    return Object.fromEntries(filled);
  }

  private get modelsDir(): string {
    return this.settings().modelsDir ?? join(this.folders.root, 'models');
  }

  private get installed(): Installed {
    if (this.models.dir !== this.modelsDir) this.models = new ModelsFolder(this.modelsDir);
    return { settings: this.settings(), models: this.models, inputDir: this.folders.input };
  }

  private get classes(): ClassTexts {
    return ClassTexts.of(this.settings());
  }

  private raw(classType: string): JsonObject | undefined {
    return this.classes.get(classType);
  }
}

function prepare({ texts }: ClassTexts): Written {
  const all = [...texts];
  const listing = all.flatMap(([name, text], index) => (mayListFiles(name, text) ? [{ index, name }] : []));
  return { texts: all.map(([name, text]) => member(name, text)), listing };
}

function member(name: string, text: string): string {
  return `${JSON.stringify(name)}: ${text}`;
}

/** One class per line, as Python writes it: `"KSampler": {…},` */
const LINE = /^"((?:[^"\\]|\\.)*)": (.*?),?$/gm;

/**
 * The JSON of each class of a ComfyUI version, word for word. The file is unpacked on first use, once per process, and
 * a class is parsed on first use, because few prompts have more than a dozen classes.
 */
export class ClassTexts {
  readonly texts: ReadonlyMap<string, string>;
  private readonly parsed = new Map<string, JsonObject>();

  private constructor(texts: readonly string[]) {
    const lines = texts.flatMap((text) => [...text.matchAll(LINE)]);
    this.texts = new Map(lines.map(([, name = '', text = '']) => [name, text]));
  }

  static of({ version, probeNodes }: Pick<SimulatorSettings, 'version' | 'probeNodes'>): ClassTexts {
    const key = `${version} ${probeNodes}`;
    const known = unpacked.get(key);
    if (known !== undefined) return known;
    const core = gunzipSync(readFileSync(dataFile(`object-info-${version}.json.gz`))).toString('latin1');
    const made = new ClassTexts(probeNodes ? [core, readFileSync(dataFile('probe-nodes.txt'), 'latin1')] : [core]);
    unpacked.set(key, made);
    return made;
  }

  /** Undefined for an unknown class. */
  get(classType: string): JsonObject | undefined {
    const known = this.parsed.get(classType);
    if (known !== undefined) return known;
    const text = this.texts.get(classType);
    if (text === undefined) return undefined;
    const described = parseJson(text) as JsonObject;
    this.parsed.set(classType, described);
    return described;
  }
}

const unpacked = new Map<string, ClassTexts>();
