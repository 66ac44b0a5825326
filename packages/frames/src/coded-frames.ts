/** What a packet of a video becomes when it is decoded; 0 × 0 if it states no size. */
export interface CodedFrames {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

export type ReadPacket = (packet: Uint8Array) => CodedFrames;

/** Of one packet; real ones have a hundred or two. */
const MOST_UNITS = 500;
export const ONE_FRAME: CodedFrames = { width: 0, height: 0, frames: 1 };

export function larger(one: CodedFrames, other: CodedFrames): CodedFrames {
  const frames = one.frames + other.frames;
  return { width: Math.max(one.width, other.width), height: Math.max(one.height, other.height), frames };
}

export function requireFew(units: number): void {
  if (units > MOST_UNITS) throw new Error('a packet in it has too many units');
}

export class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(count: number): number {
    let value = 0;
    for (let n = 0; n < count; n += 1) {
      const byte = byteAt(this.#bytes, this.#at >> 3);
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at += 1;
    }
    return value;
  }
  flag(): boolean {
    return this.read(1) === 1;
  }
  /** Exp-Golomb, as H.264, HEVC and AV1 use it. */
  unsigned(): number {
    let zeros = 0;
    while (!this.flag()) zeros += 1;
    if (zeros > 31) throw new Error('a number in it is too large');
    return 2 ** zeros - 1 + this.read(zeros);
  }
  signed(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? -value / 2 : (value + 1) / 2;
  }
}

export function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error('it ends too early');
  return byte;
}

export const uint16 = (bytes: Uint8Array, at: number) => byteAt(bytes, at) * 256 + byteAt(bytes, at + 1);
