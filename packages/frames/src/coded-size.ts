/** What a packet of a video becomes when it is decoded; 0 × 0 if it states no size. */
export interface CodedFrames {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

type ReadPacket = (packet: Uint8Array) => CodedFrames;

/** Of one packet; real ones have a hundred or two. */
const MOST_UNITS = 500;
/** Real parameter sets state the size in their first 100 bytes, or 700 with tables of their own. */
const SIZE_BYTES = 1024;
const ONE_FRAME: CodedFrames = { width: 0, height: 0, frames: 1 };

/**
 * Reads from the packets of a video what a decoder reads: containers can state another size, and sizes can change from
 * frame to frame. `configuration` is the decoder's, from the container. Throws for what no decoder should be given.
 */
export function packetReader(codec: string, configuration: Uint8Array | undefined): ReadPacket {
  switch (codec) {
    case 'avc':
      return nalReader(configuration, avcUnits, avcSize);
    case 'hevc':
      return nalReader(configuration, hevcUnits, hevcSize);
    case 'vp8':
      return vp8Frames;
    case 'vp9':
      return vp9Frames;
    case 'av1':
      return av1Reader();
    case 'prores':
      return proresFrames;
    default:
      throw new Error(`the codec ${codec} cannot be measured`);
  }
}

function larger(one: CodedFrames, other: CodedFrames): CodedFrames {
  const frames = one.frames + other.frames;
  return { width: Math.max(one.width, other.width), height: Math.max(one.height, other.height), frames };
}

class Bits {
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

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error('it ends too early');
  return byte;
}

const uint16 = (bytes: Uint8Array, at: number) => byteAt(bytes, at) * 256 + byteAt(bytes, at + 1);

/** H.264 and HEVC: parameter sets state the size, in the configuration and between the frames. */
function nalReader(
  configuration: Uint8Array | undefined,
  unitsOf: (configuration: Uint8Array) => Iterable<Uint8Array>,
  sizeOf: (unit: Uint8Array) => CodedFrames | undefined,
): ReadPacket {
  // Without one, and with lengths of another size, ffmpeg looks for the units in other ways.
  if (configuration?.[0] !== 1) throw new Error('it has no decoder configuration');
  const largest = (units: Iterable<Uint8Array>) =>
    [...units].reduce((size, unit) => larger(size, sizeOf(unit) ?? { ...ONE_FRAME, frames: 0 }), ONE_FRAME);
  const configured = largest(unitsOf(configuration));
  return (packet) => larger({ ...configured, frames: 0 }, largest(lengthPrefixed(packet)));
}

function* lengthPrefixed(packet: Uint8Array) {
  let at = 0;
  for (let units = 1; at < packet.length; units += 1) {
    requireFew(units);
    const length = uint16(packet, at) * 65_536 + uint16(packet, at + 2);
    at += 4 + length;
    if (at > packet.length) throw new Error('a unit in it is longer than its packet');
    yield packet.subarray(at - length, at);
  }
}

/** Of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3). */
function* avcUnits(record: Uint8Array) {
  requireLongLengths(byteAt(record, 4));
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    const count = byteAt(record, at) & mask;
    at += 1;
    for (let n = 0; n < count; n += 1) {
      const end = at + 2 + uint16(record, at);
      yield record.subarray(at + 2, end);
      at = end;
    }
  }
}

/** Of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3). */
function* hevcUnits(record: Uint8Array) {
  requireLongLengths(byteAt(record, 21));
  let at = 23;
  for (let arrays = byteAt(record, 22); arrays > 0; arrays -= 1) {
    const count = uint16(record, at + 1);
    at += 3;
    for (let n = 0; n < count; n += 1) {
      const end = at + 2 + uint16(record, at);
      yield record.subarray(at + 2, end);
      at = end;
    }
  }
}

function requireFew(units: number): void {
  if (units > MOST_UNITS) throw new Error('a packet in it has too many units');
}

function requireLongLengths(byte: number): void {
  if ((byte & 3) !== 3) throw new Error('the lengths in it do not have four bytes');
}

/** Without the bytes that keep start codes out of a unit. */
function unescaped(unit: Uint8Array, header: number): Bits {
  const isEscape = (at: number) => unit[at] === 3 && unit[at - 1] === 0 && unit[at - 2] === 0;
  return new Bits(unit.subarray(0, SIZE_BYTES).filter((_byte, at) => at >= header && !isEscape(at)));
}

const AVC_SPS = 7;
/** Profiles whose parameter sets describe colours (the ones that ffmpeg knows). */
const AVC_COLOUR_PROFILES: ReadonlySet<number> = new Set([44, 83, 86, 100, 110, 118, 122, 128, 144, 244]);

/** H.264, 7.3.2.1.1. */
function avcSize(unit: Uint8Array): CodedFrames | undefined {
  if (((unit[0] ?? 0) & 0x1f) !== AVC_SPS) return undefined;
  const bits = unescaped(unit, 1);
  const profile = bits.read(8);
  bits.read(16);
  bits.unsigned();
  if (AVC_COLOUR_PROFILES.has(profile)) skipAvcColours(bits);
  bits.unsigned();
  const order = bits.unsigned();
  if (order === 0) bits.unsigned();
  if (order === 1) {
    bits.flag();
    bits.signed();
    bits.signed();
    for (let count = bits.unsigned(); count > 0; count -= 1) bits.signed();
  }
  bits.unsigned();
  bits.flag();
  const width = 16 * (bits.unsigned() + 1);
  const rows = 16 * (bits.unsigned() + 1);
  return { width, height: bits.flag() ? rows : 2 * rows, frames: 0 };
}

function skipAvcColours(bits: Bits): void {
  const chroma = bits.unsigned();
  if (chroma === 3) bits.flag();
  bits.unsigned();
  bits.unsigned();
  bits.flag();
  if (!bits.flag()) return;
  for (let list = 0; list < (chroma === 3 ? 12 : 8); list += 1) {
    if (!bits.flag()) continue;
    let last = 8;
    let next = 8;
    for (let n = 0; n < (list < 6 ? 16 : 64); n += 1) {
      if (next !== 0) next = (last + bits.signed() + 256) % 256;
      if (next !== 0) last = next;
    }
  }
}

const HEVC_SPS = 33;

/** H.265, 7.3.2.2.1; only of the base layer, since others are not decoded. */
function hevcSize(unit: Uint8Array): CodedFrames | undefined {
  const header = uint16(unit, 0);
  if (header >> 9 !== HEVC_SPS || ((header >> 3) & 0x3f) !== 0) return undefined;
  const bits = unescaped(unit, 2);
  bits.read(4);
  const sublayers = bits.read(3);
  bits.read(1 + 88 + 8);
  const present = Array.from({ length: sublayers }, () => [bits.flag(), bits.flag()] as const);
  if (sublayers > 0) bits.read(2 * (8 - sublayers));
  for (const [hasProfile, hasLevel] of present) bits.read((hasProfile ? 88 : 0) + (hasLevel ? 8 : 0));
  bits.unsigned();
  if (bits.unsigned() === 3) bits.flag();
  return { width: bits.unsigned(), height: bits.unsigned(), frames: 0 };
}

/** RFC 6386, 9.1. */
function vp8Frames(packet: Uint8Array): CodedFrames {
  const isKeyframe = packet.length > 0 && (byteAt(packet, 0) & 1) === 0;
  if (!isKeyframe) return ONE_FRAME;
  const side = (at: number) => (byteAt(packet, at) + 256 * byteAt(packet, at + 1)) & 0x3fff;
  return { width: side(6), height: side(8), frames: 1 };
}

/** A packet can hold several frames (VP9, Annex B). */
function vp9Frames(packet: Uint8Array): CodedFrames {
  const marker = packet.at(-1) ?? 0;
  const count = (marker & 7) + 1;
  const sizeBytes = ((marker >> 3) & 3) + 1;
  const index = packet.length - 2 - sizeBytes * count;
  if (marker >> 5 !== 6 || packet[index] !== marker) return vp9Frame(packet);
  let all: CodedFrames = { ...ONE_FRAME, frames: 0 };
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    const field = packet.subarray(index + 1 + n * sizeBytes, index + 1 + (n + 1) * sizeBytes);
    const size = field.reduceRight((value, byte) => value * 256 + byte, 0);
    if (size > 0) all = larger(all, vp9Frame(packet.subarray(at, at + size)));
    at += size;
  }
  return all;
}

/** VP9, 7.2. */
function vp9Frame(frame: Uint8Array): CodedFrames {
  const bits = new Bits(frame);
  bits.read(2);
  const profile = bits.read(1) + 2 * bits.read(1);
  if (profile === 3) bits.flag();
  if (bits.flag()) return ONE_FRAME;
  const isKeyframe = !bits.flag();
  const isShown = bits.flag();
  const isResilient = bits.flag();
  const size = () => ({ width: bits.read(16) + 1, height: bits.read(16) + 1, frames: isShown ? 1 : 0 });
  if (isKeyframe) {
    bits.read(24);
    skipVp9Colours(bits, profile);
    return size();
  }
  const isIntra = !isShown && bits.flag();
  if (!isResilient) bits.read(2);
  if (isIntra) {
    bits.read(24);
    if (profile > 0) skipVp9Colours(bits, profile);
    bits.read(8);
    return size();
  }
  bits.read(8 + 3 * 4);
  // The size of one of the three frames that it refers to, or its own.
  const isReferred = bits.flag() || bits.flag() || bits.flag();
  return isReferred ? { ...ONE_FRAME, frames: isShown ? 1 : 0 } : size();
}

function skipVp9Colours(bits: Bits, profile: number): void {
  const isOdd = profile % 2 === 1;
  if (profile >= 2) bits.flag();
  const isRgb = bits.read(3) === 7;
  if (!isRgb) bits.flag();
  if (isOdd) bits.read(isRgb ? 1 : 3);
}

const AV1_SEQUENCE = 1;
const AV1_FRAME_HEADER = 3;
const AV1_FRAME = 6;

interface Av1Sequence extends CodedFrames {
  /** Reads whether a frame is shown and whether it has a size of its own. */
  readonly frame: (bits: Bits) => { readonly isShown: boolean; readonly hasSize: boolean };
  /** Largest size that a frame can state. */
  readonly own: CodedFrames;
}

/** A packet can hold any number of frames (AV1, 5.3 and 7.5). */
function av1Reader(): ReadPacket {
  let sequence: Av1Sequence | undefined;
  return (packet) => {
    let all: CodedFrames = { ...ONE_FRAME, frames: 0 };
    for (const [type, unit] of av1Units(packet)) {
      if (type === AV1_SEQUENCE) sequence = av1Sequence(new Bits(unit));
      if (type !== AV1_FRAME_HEADER && type !== AV1_FRAME) continue;
      if (sequence === undefined) throw new Error('a frame in it comes before its size');
      const { isShown, hasSize } = sequence.frame(new Bits(unit));
      const { width, height } = hasSize ? sequence.own : sequence;
      all = larger(all, { width, height, frames: isShown ? 1 : 0 });
    }
    return all;
  };
}

function* av1Units(packet: Uint8Array): Generator<readonly [type: number, unit: Uint8Array]> {
  let at = 0;
  for (let units = 1; at < packet.length; units += 1) {
    requireFew(units);
    const header = byteAt(packet, at);
    at += (header & 4) === 0 ? 1 : 2;
    let length = packet.length - at;
    if ((header & 2) !== 0) {
      length = 0;
      let byte = 0x80;
      for (let n = 0; byte >= 0x80; n += 1) {
        byte = byteAt(packet, at);
        length += (byte & 0x7f) * 2 ** (7 * n);
        at += 1;
      }
    }
    if (at + length > packet.length) throw new Error('a unit in it is longer than its packet');
    yield [(header >> 3) & 15, packet.subarray(at, at + length)];
    at += length;
  }
}

/** AV1, 5.5.1. */
function av1Sequence(bits: Bits): Av1Sequence {
  bits.read(3 + 1);
  const isReduced = bits.flag();
  let timeBits = 0;
  if (isReduced) bits.read(5);
  else timeBits = skipAv1OperatingPoints(bits);
  const [widthBits, heightBits] = [bits.read(4) + 1, bits.read(4) + 1];
  const size = { width: bits.read(widthBits) + 1, height: bits.read(heightBits) + 1, frames: 0 };
  const idBits = !isReduced && bits.flag() ? bits.read(4) + 2 + bits.read(3) + 1 : 0;
  bits.read(3);
  // 2: each frame says so itself.
  let [tools, integers] = [2, 2];
  if (!isReduced) {
    bits.read(4);
    if (bits.flag()) bits.read(2);
    tools = bits.flag() ? 2 : bits.read(1);
    if (tools > 0) integers = bits.flag() ? 2 : bits.read(1);
  }
  const frame: Av1Sequence['frame'] = (header) => {
    if (isReduced) return { isShown: true, hasSize: false };
    if (header.flag()) return { isShown: true, hasSize: false };
    const type = header.read(2);
    const isShown = header.flag();
    if (isShown) header.read(timeBits);
    else header.flag();
    const [isKeyframe, isSwitch] = [type === 0, type === 3];
    if (!isSwitch && !(isKeyframe && isShown)) header.flag();
    header.flag();
    const hasTools = tools === 2 ? header.flag() : tools === 1;
    if (hasTools && integers === 2) header.flag();
    header.read(idBits);
    return { isShown, hasSize: isSwitch || header.flag() };
  };
  return { ...size, frame, own: { width: 2 ** widthBits, height: 2 ** heightBits, frames: 0 } };
}

/** Returns how many bits of a shown frame's header are its time. */
function skipAv1OperatingPoints(bits: Bits): number {
  let timeBits = 0;
  let delayBits = 0;
  if (bits.flag()) {
    bits.read(64);
    const isEven = bits.flag();
    if (isEven) bits.unsigned();
    if (bits.flag()) {
      delayBits = bits.read(5) + 1;
      bits.read(32 + 5);
      timeBits = bits.read(5) + 1;
      if (isEven) timeBits = 0;
    }
  }
  const hasDelays = bits.flag();
  for (let points = bits.read(5) + 1; points > 0; points -= 1) {
    bits.read(12);
    if (bits.read(5) > 7) bits.flag();
    if (delayBits > 0 && bits.flag()) bits.read(2 * delayBits + 1);
    if (hasDelays && bits.flag()) bits.read(4);
  }
  return timeBits;
}

/** The header of a ProRes frame (SMPTE RDD 36, 5.1). */
function proresFrames(packet: Uint8Array): CodedFrames {
  return { width: uint16(packet, 16), height: uint16(packet, 18), frames: 1 };
}
