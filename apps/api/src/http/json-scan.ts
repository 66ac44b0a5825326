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

/** Where the parts of the text go. The arrays are the scan's chunks: copied by who keeps them. */
export interface JsonParts {
  /** Everything but what is set apart. */
  text(bytes: Uint8Array): void;
  /** A string that is set apart begins: what one before it had counts no more, as for JSON.parse. */
  begin(): void;
  /** Of that string, with its escapes undone; what no base64 has is a 0. */
  apart(bytes: Uint8Array): void;
}

export interface JsonScan {
  /** Takes the next bytes of the text. Answers what is too much in it, in words for the caller, or undefined. */
  push(chunk: Uint8Array): string | undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LETTER_U = 0x75;

/** What a byte outside of strings is. */
const OTHER = 0;
const SPACE = 1;
const KINDS = new Uint8Array(256);
for (const space of [0x20, 0x09, 0x0a, 0x0d]) KINDS[space] = SPACE;
for (const sign of [QUOTE, COMMA, COLON, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT]) KINDS[sign] = sign;

/** What a backslash and this byte stand for. */
const ESCAPES = new Map(
  [...'"\\/bfnrt'].map((sign, index) => [sign.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(index)]),
);
const HEX_DIGITS = 4;
const NO_DIGIT = 16;
const HEX = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

const OUTSIDE = 0;
const IN_VALUE = 1;
const IN_NAME = 2;
const IN_APART = 3;

/**
 * Looks at a JSON text as it arrives, before anything parses it. It bounds structure and judges nothing else: what is no
 * JSON is let through, for JSON.parse to say so, and up to the first fault, beyond which JSON.parse does not read, it sees
 * the text as that does. A string under the name `apart` of the outermost object goes its own way: in the text it is
 * empty, unless it is no string at all, whose fault stays in the text.
 */
export function createJsonScan(limits: JsonLimits, parts: JsonParts, apart?: string): JsonScan {
  const apartName = apart === undefined ? undefined : JSON.stringify(apart).slice(1, -1);
  const names = new Set<string>();
  // both out of Node's pool: what is read of them has been written
  const name = Buffer.allocUnsafe(limits.nameBytes);
  /** Whether the array or object that is open is an object, and those around it. */
  const isObject = Buffer.allocUnsafe(limits.depth + 1);
  isObject[0] = 0;
  const one = new Uint8Array(1);
  let depth = 0;
  let values = 0;
  let where = OUTSIDE;
  let isInWord = false;
  let mayBeName = false;
  let isApartNext = false;
  let nameLength = 0;
  /** Of the escape that was begun. */
  const sequence = new Uint8Array(1 + HEX_DIGITS);
  let length = 0;
  let code = 0;
  let isEscaped = false;

  /** Answers what is too much, or undefined. */
  function sign(byte: number): string | undefined {
    switch (byte) {
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1;
        values += 1;
        if (depth > limits.depth) return `it is nested more than ${limits.depth} deep`;
        isObject[depth] = byte === OPEN_OBJECT ? 1 : 0;
        mayBeName = byte === OPEN_OBJECT;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth = Math.max(0, depth - 1);
        mayBeName = false;
        break;
      case COMMA:
        mayBeName = isObject[depth] === 1;
        break;
      case COLON:
        mayBeName = false;
        return undefined;
      default:
    }
    isApartNext = false;
    return values > limits.values ? tooManyValues() : undefined;
  }

  const tooManyValues = () => `it has more than ${limits.values} values`;

  /** The string that begins here. Answers what it is. */
  function quote(): number {
    if (mayBeName) {
      where = IN_NAME;
      nameLength = 0;
    } else {
      values += 1;
      where = isApartNext ? IN_APART : IN_VALUE;
      if (where === IN_APART) parts.begin();
    }
    mayBeName = false;
    isApartNext = false;
    return where;
  }

  /** Answers what is too much, or undefined. */
  function endName(): string | undefined {
    const text = name.toString('latin1', 0, nameLength);
    isApartNext = depth === 1 && text === apartName;
    names.add(text);
    return names.size > limits.names ? `it has more than ${limits.names} different names of fields` : undefined;
  }

  /** One byte of an escape in the string that is set apart. Answers true when the escape is whole. */
  function escaped(byte: number): boolean {
    sequence[length] = byte;
    length += 1;
    if (sequence[0] === LETTER_U) {
      if (length === 1) return false;
      const digit = HEX[byte] as number;
      if (digit < NO_DIGIT) {
        code = code * 16 + digit;
        if (length <= HEX_DIGITS) return false;
        hand(code < 0x80 ? code : 0);
        return true;
      }
    } else if (ESCAPES.has(byte)) {
      hand(ESCAPES.get(byte) ?? 0);
      return true;
    }
    parts.text(Uint8Array.of(BACKSLASH, ...sequence.subarray(0, length)));
    return true;
  }

  function hand(byte: number): void {
    one[0] = byte;
    parts.apart(one);
  }

  /** The string that is set apart, from here to its end or the chunk's. Answers where it stopped. */
  function inApart(chunk: Uint8Array, from: number): number {
    let at = from;
    let begun = from;
    const handOn = () => {
      if (at > begun) parts.apart(chunk.subarray(begun, at));
      begun = at + 1;
    };
    for (; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (isEscaped) {
        begun = at + 1;
        if (escaped(byte)) {
          isEscaped = false;
          length = 0;
          code = 0;
        }
      } else if (byte === QUOTE) {
        handOn();
        return at;
      } else if (byte === BACKSLASH) {
        handOn();
        isEscaped = true;
      } else if (byte < 0x20) {
        handOn();
        parts.text(chunk.subarray(at, at + 1)); // for JSON.parse to stumble over
      }
    }
    handOn();
    return at;
  }

  /** A string that stays in the text, from here to its end or the chunk's. Answers where it stopped; -1: too long a name. */
  function inString(chunk: Uint8Array, from: number): number {
    const isName = where === IN_NAME;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (isEscaped) isEscaped = false;
      else if (byte === QUOTE) return at;
      else if (byte === BACKSLASH) isEscaped = true;
      if (!isName) continue;
      if (nameLength === limits.nameBytes) return -1;
      name[nameLength] = byte;
      nameLength += 1;
    }
    return chunk.length;
  }

  function push(chunk: Uint8Array): string | undefined {
    let kept = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (where === IN_APART) {
        at = inApart(chunk, at);
        kept = at;
        if (at < chunk.length) where = OUTSIDE;
        continue;
      }
      if (where !== OUTSIDE) {
        at = inString(chunk, at);
        if (at < 0) return `the name of a field has more than ${limits.nameBytes} bytes`;
        if (at === chunk.length) break;
        const fault = where === IN_NAME ? endName() : undefined;
        where = OUTSIDE;
        if (fault !== undefined) return fault;
        continue;
      }
      const byte = chunk[at] as number;
      const kind = KINDS[byte] as number;
      if (kind === OTHER) {
        if (!isInWord) values += 1;
        isInWord = true;
        continue;
      }
      isInWord = false;
      if (kind === SPACE) continue;
      if (kind !== QUOTE) {
        const fault = sign(byte);
        if (fault !== undefined) return fault;
        continue;
      }
      if (quote() === IN_APART) {
        parts.text(chunk.subarray(kept, at + 1));
        kept = at + 1;
      }
    }
    if (kept < chunk.length) parts.text(chunk.subarray(kept));
    return values > limits.values ? tooManyValues() : undefined;
  }

  return { push };
}
