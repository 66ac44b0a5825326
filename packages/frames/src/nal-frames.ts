import {
  Bits,
  byteAt,
  type CodedFrames,
  larger,
  ONE_FRAME,
  type ReadPacket,
  requireFew,
  uint16,
} from './coded-frames.js';

/** Real parameter sets state the size within their first 100 bytes, or 700 if they contain scaling lists. */
const SIZE_BYTES = 1024;

export function avcReader(configuration: Uint8Array | undefined): ReadPacket {
  return nalReader(configuration, avcUnits, avcSize);
}

export function hevcReader(configuration: Uint8Array | undefined): ReadPacket {
  return nalReader(configuration, hevcUnits, hevcSize);
}

/** Reads the size from parameter sets, which are in the configuration and between frames. */
function nalReader(
  configuration: Uint8Array | undefined,
  unitsOf: (configuration: Uint8Array) => Iterable<Uint8Array>,
  sizeOf: (unit: Uint8Array) => CodedFrames | undefined,
): ReadPacket {
  // Without a configuration, or if lengths do not have four bytes, ffmpeg finds the units in other ways.
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
    // ffmpeg takes a packet that begins with another byte for a configuration.
    if (byteAt(packet, at) !== 0) throw new Error('it has a unit of 16 MiB or more');
    const length = uint16(packet, at) * 65_536 + uint16(packet, at + 2);
    at += 4 + length;
    if (at > packet.length) throw new Error('it has a unit that is longer than its packet');
    yield packet.subarray(at - length, at);
  }
}

/** The parameter sets in an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3). */
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

/** The parameter sets in an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3). */
function* hevcUnits(record: Uint8Array) {
  requireLongLengths(byteAt(record, 21));
  let at = 23;
  for (let arrays = byteAt(record, 22); arrays > 0; arrays -= 1) {
    const count = uint16(record, at + 1);
    requireFew(count);
    at += 3;
    for (let n = 0; n < count; n += 1) {
      const end = at + 2 + uint16(record, at);
      yield record.subarray(at + 2, end);
      at = end;
    }
  }
}

function requireLongLengths(byte: number): void {
  if ((byte & 3) !== 3) throw new Error('it has unit lengths that do not have four bytes');
}

const HEVC_HEADER_BYTES = 2;

/** Removes the header, and the emulation prevention bytes, which keep start codes out of a unit. */
function unescaped(unit: Uint8Array): Bits {
  const isEscape = (at: number) => unit[at] === 3 && unit[at - 1] === 0 && unit[at - 2] === 0;
  return new Bits(unit.subarray(0, SIZE_BYTES).filter((_byte, at) => at >= HEVC_HEADER_BYTES && !isEscape(at)));
}

const AVC_SPS = 7;
/** Profiles whose parameter sets describe colours (those that ffmpeg supports). */
const AVC_COLOUR_PROFILES: ReadonlySet<number> = new Set([44, 83, 86, 100, 110, 118, 122, 128, 144, 244]);

/** H.264, 7.3.2.1.1. */
function avcSize(unit: Uint8Array): CodedFrames | undefined {
  if (((unit[0] ?? 0) & 0x1f) !== AVC_SPS) return undefined;
  const bits = new Bits(unit.subarray(1, SIZE_BYTES));
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
  const height = bits.flag() ? rows : 2 * rows;
  // ffmpeg reads a set with and without emulation prevention bytes if it has to. Real ones have none before the size.
  const read = Buffer.from(unit.subarray(1, 1 + bits.bytesRead)).toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are bytes
  if (/\0\0[\0-\x03]/.test(read)) throw new Error('it has a parameter set that can be read in two ways');
  return { width, height, frames: 0 };
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

/** H.265, 7.3.2.2.1. Ignores other layers than the base layer, because they are not decoded. */
function hevcSize(unit: Uint8Array): CodedFrames | undefined {
  const header = uint16(unit, 0);
  if (header >> 9 !== HEVC_SPS || ((header >> 3) & 0x3f) !== 0) return undefined;
  const bits = unescaped(unit);
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
