/** What the decoder makes of one packet of a video: the size is 0 × 0 if the packet states none. */
export interface CodedFrames {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

export type ReadPacket = (packet: Uint8Array) => CodedFrames;

/** Limit for one packet; real packets have one or two hundred. */
const MOST_UNITS = 500;
export const ONE_FRAME: CodedFrames = { width: 0, height: 0, frames: 1 };

export function larger(one: CodedFrames, other: CodedFrames): CodedFrames {
  const frames = one.frames + other.frames;
  return { width: Math.max(one.width, other.width), height: Math.max(one.height, other.height), frames };
}

export function requireFew(units: number): void {
  if (units > MOST_UNITS) throw new Error('it has a packet with too many units');
}

export class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** How many bytes were read, the last one perhaps in part. */
  get bytesRead(): number {
    return Math.ceil(this.#at / 8);
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
  /** Reads an Exp-Golomb number, as used by H.264, HEVC and AV1. */
  unsigned(): number {
    let zeros = 0;
    while (!this.flag()) {
      zeros += 1;
      if (zeros > 31) throw new Error('it has a number that is too large');
    }
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
