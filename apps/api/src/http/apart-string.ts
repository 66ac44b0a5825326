/** Where the parts of a text go. The arrays are the scan's chunks: copied by who keeps them. */
export interface JsonParts {
  /** Everything but what is set apart. */
  text(bytes: Uint8Array): void;
  /** A string that is set apart begins: what one before it had counts no more, as for JSON.parse. */
  begin(): void;
  /** Of that string, with its escapes undone; what no base64 has is a 0. */
  apart(bytes: Uint8Array): void;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

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

/** A string of a JSON text that goes its own way, piece by piece. */
export class ApartString {
  readonly #parts: JsonParts;
  readonly #one = new Uint8Array(1);
  /** Of the escape that was begun. */
  readonly #sequence = new Uint8Array(1 + HEX_DIGITS);
  #length = 0;
  #code = 0;
  #isEscaped = false;

  constructor(parts: JsonParts) {
    this.#parts = parts;
    parts.begin();
  }

  /** Takes it from here to its end or the chunk's. Answers where it stopped. */
  take(chunk: Uint8Array, from: number): number {
    let at = from;
    let begun = from;
    const handOn = () => {
      if (at > begun) this.#parts.apart(chunk.subarray(begun, at));
      begun = at + 1;
    };
    for (; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.#isEscaped) {
        begun = at + 1;
        if (this.#escaped(byte)) {
          this.#isEscaped = false;
          this.#length = 0;
          this.#code = 0;
        }
      } else if (byte === QUOTE) {
        handOn();
        return at;
      } else if (byte === BACKSLASH) {
        handOn();
        this.#isEscaped = true;
      } else if (byte < 0x20) {
        handOn();
        this.#parts.text(chunk.subarray(at, at + 1)); // for JSON.parse to stumble over
      }
    }
    handOn();
    return at;
  }

  /** One byte of an escape. Answers true when the escape is whole. */
  #escaped(byte: number): boolean {
    this.#sequence[this.#length] = byte;
    this.#length += 1;
    if (this.#sequence[0] === LETTER_U) {
      if (this.#length === 1) return false;
      const digit = HEX[byte] as number;
      if (digit < NO_DIGIT) {
        this.#code = this.#code * 16 + digit;
        if (this.#length <= HEX_DIGITS) return false;
        this.#hand(this.#code < 0x80 ? this.#code : 0);
        return true;
      }
    } else if (ESCAPES.has(byte)) {
      this.#hand(ESCAPES.get(byte) ?? 0);
      return true;
    }
    this.#parts.text(Uint8Array.of(BACKSLASH, ...this.#sequence.subarray(0, this.#length)));
    return true;
  }

  #hand(byte: number): void {
    this.#one[0] = byte;
    this.#parts.apart(this.#one);
  }
}
