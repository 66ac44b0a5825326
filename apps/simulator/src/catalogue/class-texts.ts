import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { dataFile } from '../data-file.js';
import { parseJson } from '../json/parse.js';
import type { JsonObject } from '../json/values.js';
import type { SimulatorSettings } from '../settings.js';

/** One class a line: `"KSampler": {…},`, as Python writes it. */
const LINE = /^"((?:[^"\\]|\\.)*)": (.*?),?$/gm;

/**
 * What a version of ComfyUI says of each of its classes, word for word. It is unpacked when somebody first asks, once
 * for all simulators of the process, and a class is parsed when it is first met: few prompts have more than a dozen.
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
