import { av1Reader } from './av1-frames.js';
import { Bits, byteAt, type CodedFrames, larger, ONE_FRAME, type ReadPacket, uint16 } from './coded-frames.js';
import { avcReader, hevcReader } from './nal-frames.js';

/**
 * Returns a function that reads sizes and frame counts from the packets of a video, as a decoder does: the container can state
 * another size, and the size can change from frame to frame. `configuration` is the decoder configuration in the container.
 * Throws for packets that no decoder should get.
 */
export function packetReader(codec: string, configuration: Uint8Array | undefined): ReadPacket {
  switch (codec) {
    case 'avc':
      return avcReader(configuration);
    case 'hevc':
      return hevcReader(configuration);
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
  // The frame has the size of one of three reference frames, or its own size.
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

/** The header of a ProRes frame (SMPTE RDD 36, 5.1). */
function proresFrames(packet: Uint8Array): CodedFrames {
  return { width: uint16(packet, 16), height: uint16(packet, 18), frames: 1 };
}
