import { type NodeInput, nodeInputs } from '@comfy-fleet/workflows';
import { isObject, type Json, type JsonObject } from '../json/values.js';
import { writeJson } from '../json/write.js';
import type { SimulatorSettings } from '../settings.js';
import { ClassTexts } from './class-texts.js';
import { fileChoices, mayListFiles } from './installed-files.js';

interface Written {
  /** The text of every class in order, and which of them list files. */
  readonly texts: string[];
  readonly listing: readonly { readonly index: number; readonly name: string }[];
}

/** What the node classes look like, with the lists of files as they are at this moment. */
export class Catalogue {
  private readonly settings: () => SimulatorSettings;
  private readonly inputDir: string;
  private written: { readonly of: ClassTexts; readonly parts: Written; answer: Buffer } | undefined;

  constructor(settings: () => SimulatorSettings, inputDir: string) {
    this.settings = settings;
    this.inputDir = inputDir;
  }

  has(classType: string): boolean {
    return this.classes.texts.has(classType);
  }

  isOutput(classType: string): boolean {
    return this.raw(classType)?.output_node === true;
  }

  /** The inputs that such a node has when it is given these values. */
  inputs(classType: string, given: JsonObject): ReadonlyMap<string, NodeInput> {
    return new Map(nodeInputs(this.describe(classType), given).map((input) => [input.name, input]));
  }

  /** The descriptions of those of the classes that there are. */
  describeAll(classTypes: readonly string[]): JsonObject {
    const known = classTypes.filter((name) => this.has(name));
    return Object.fromEntries(known.map((name) => [name, this.describe(name) as JsonObject]));
  }

  /** The answer of /object_info/{class}: undefined for an unknown one. */
  describe(classType: string): JsonObject | undefined {
    const raw = this.raw(classType);
    if (raw === undefined || !mayListFiles(classType, this.classes.texts.get(classType) ?? '')) return raw;
    const input = Object.entries(raw.input as JsonObject).map(([category, specs]) => [
      category,
      this.withChoices(classType, specs),
    ]);
    return { ...raw, input: Object.fromEntries(input) };
  }

  /** The answer of /object_info. Only what lists files is written anew, and all of it only when a list is another. */
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
      const choices = fileChoices(classType, name, options ?? {}, this.settings(), this.inputDir);
      if (choices === undefined) return [name, pair];
      // The two forms of a choice: the list itself, or COMBO with the list in its options.
      return [name, type === 'COMBO' ? [type, { ...options, options: choices }] : [choices, ...pair.slice(1)]];
    });
    return Object.fromEntries(filled);
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
