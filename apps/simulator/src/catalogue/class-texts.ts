import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { dataFile } from '../data-file.js';
import { parseJson } from '../json/parse.js';
import type { JsonObject } from '../json/values.js';
import type { ComfyVersion } from '../settings.js';

/** One class a line: `"KSampler": {…},`, as Python writes it. */
const LINE = /^"((?:[^"\\]|\\.)*)": (.*?),?$/gm;

/**
 * What a version of ComfyUI says of each of its classes, word for word. It is unpacked when somebody first asks, once
 * for all simulators of the process, and a class is parsed when it is first met: few prompts have more than a dozen.
 */
export class ClassTexts {
  readonly texts: ReadonlyMap<string, string>;
  private readonly parsed = new Map<string, JsonObject>();

  private constructor(version: ComfyVersion) {
    const packed = readFileSync(dataFile(`object-info-${version}.json.gz`));
    const lines = gunzipSync(packed).toString('latin1').matchAll(LINE);
    this.texts = new Map([...lines].map(([, name = '', text = '']) => [name, text]));
  }

  static of(version: ComfyVersion): ClassTexts {
    unpacked[version] ??= new ClassTexts(version);
    return unpacked[version];
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

const unpacked: Partial<Record<ComfyVersion, ClassTexts>> = {};
