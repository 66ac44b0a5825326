import { ApartString, type JsonParts } from './apart-string.js';

/** How much structure a JSON text may have: what its parsing costs besides the bytes. */
export interface JsonLimits {
  /** Arrays and objects inside of each other. */
  readonly depth: number;
  /** Values of any kind, those that hold others included. */
  readonly values: number;
  /** Different names of fields: each new one costs the parser far more than one that it knows. */
  readonly names: number;
  /** Of a name, as it is written. */
  readonly nameBytes: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What a byte outside of strings is. */
const OTHER = 0;
const SPACE = 1;
const KINDS = new Uint8Array(256);
for (const space of [0x20, 0x09, 0x0a, 0x0d]) KINDS[space] = SPACE;
for (const sign of [QUOTE, COMMA, COLON, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT]) KINDS[sign] = sign;

const OUTSIDE = 0;
const IN_VALUE = 1;
const IN_NAME = 2;

/** Of one of many names, with what parts it from the next also where that is no JSON: `"a",`. */
const LEAST_BYTES_OF_NAME = 4;

const FOR_NOBODY: JsonParts = { text: () => {}, begin: () => {}, apart: () => {} };

export interface JsonScanOptions {
  readonly parts?: JsonParts;
  /** The name of the string that is set apart. */
  readonly apart?: string | undefined;
  /** Of the text, at most; what is too short for too many names is read more quickly. */
  readonly bytes?: number;
}

/**
 * Looks at a JSON text as it arrives, before anything parses it. It bounds structure and judges nothing else: what is no
 * JSON is let through, for JSON.parse to say so, and up to the first fault, beyond which JSON.parse does not read, it sees
 * the text as that does. A string under the name `apart` of the outermost object goes its own way: in the text it is
 * empty, unless it is no string at all, whose fault stays in the text.
 */
export class JsonScan {
  readonly #limits: JsonLimits;
  readonly #parts: JsonParts;
  readonly #apartName: string | undefined;
  readonly #readsNames: boolean;
  readonly #names = new Set<string>();
  /** Of each array and object that is open, the innermost last, whether it is an object. */
  readonly #open: boolean[] = [];
  #values = 0;
  #where = OUTSIDE;
  #isInWord = false;
  #isEscaped = false;
  #mayBeName = false;
  #isApartNext = false;
  /** As it is written, a character for each byte; empty where names are not read. */
  #name = '';
  #nameBytes = 0;
  /** The string that is set apart, while the text is in it. */
  #apart: ApartString | undefined;

  constructor(limits: JsonLimits, { parts = FOR_NOBODY, apart, bytes = Infinity }: JsonScanOptions = {}) {
    this.#limits = limits;
    this.#parts = parts;
    this.#apartName = apart === undefined ? undefined : JSON.stringify(apart).slice(1, -1);
    this.#readsNames = apart !== undefined || bytes > LEAST_BYTES_OF_NAME * limits.names;
  }

  /** Takes the next bytes of the text. Answers what is too much in it, in words for the caller, or undefined. */
  push(chunk: Buffer): string | undefined {
    let kept = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (this.#apart !== undefined) {
        at = this.#apart.take(chunk, at);
        kept = at;
        if (at < chunk.length) this.#apart = undefined;
        continue;
      }
      if (this.#where !== OUTSIDE) {
        const end = this.#endOfString(chunk, at);
        const fault = this.#where === IN_NAME ? this.#takeName(chunk, at, end) : undefined;
        if (fault !== undefined) return fault;
        if (end < chunk.length) this.#where = OUTSIDE;
        at = end;
        continue;
      }
      const byte = chunk[at] as number;
      const kind = KINDS[byte] as number;
      if (kind === OTHER) {
        if (!this.#isInWord) this.#values += 1;
        this.#isInWord = true;
        continue;
      }
      this.#isInWord = false;
      if (kind === SPACE) continue;
      if (kind !== QUOTE) {
        const fault = this.#takeSign(byte);
        if (fault !== undefined) return fault;
        continue;
      }
      this.#beginString();
      if (this.#apart === undefined) continue;
      this.#parts.text(chunk.subarray(kept, at + 1));
      kept = at + 1;
    }
    if (kept < chunk.length) this.#parts.text(chunk.subarray(kept));
    return this.#tooManyValues();
  }

  /** Answers what is too much, or undefined. */
  #takeSign(byte: number): string | undefined {
    const { depth } = this.#limits;
    switch (byte) {
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        this.#values += 1;
        this.#mayBeName = byte === OPEN_OBJECT;
        this.#open.push(this.#mayBeName);
        if (this.#open.length > depth) return `it is nested more than ${depth} deep`;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        this.#open.pop();
        this.#mayBeName = false;
        break;
      case COMMA:
        this.#mayBeName = this.#open.at(-1) === true;
        break;
      case COLON:
        this.#mayBeName = false;
        return undefined;
      default:
    }
    this.#isApartNext = false;
    return this.#tooManyValues();
  }

  #tooManyValues(): string | undefined {
    const { values } = this.#limits;
    return this.#values > values ? `it has more than ${values} values` : undefined;
  }

  #beginString(): void {
    if (this.#mayBeName) this.#where = IN_NAME;
    else {
      this.#values += 1;
      if (this.#isApartNext) this.#apart = new ApartString(this.#parts);
      else this.#where = IN_VALUE;
    }
    this.#mayBeName = false;
    this.#isApartNext = false;
  }

  /** Where the string that is open ends, or the chunk does. */
  #endOfString(chunk: Buffer, from: number): number {
    let isEscaped = this.#isEscaped;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (isEscaped) isEscaped = false;
      else if (byte === QUOTE) break;
      else if (byte === BACKSLASH) isEscaped = true;
    }
    this.#isEscaped = isEscaped;
    return at;
  }

  /** A name, or a piece of it. Answers what is too much, or undefined. */
  #takeName(chunk: Buffer, from: number, end: number): string | undefined {
    const { nameBytes, names } = this.#limits;
    this.#nameBytes += end - from;
    if (this.#nameBytes > nameBytes) return `the name of a field has more than ${nameBytes} bytes`;
    if (this.#readsNames) this.#name += chunk.toString('latin1', from, end);
    if (end === chunk.length) return undefined;
    const name = this.#name;
    this.#name = '';
    this.#nameBytes = 0;
    if (!this.#readsNames) return undefined;
    this.#isApartNext = this.#open.length === 1 && name === this.#apartName;
    this.#names.add(name);
    return this.#names.size > names ? `it has more than ${names} different names of fields` : undefined;
  }
}
