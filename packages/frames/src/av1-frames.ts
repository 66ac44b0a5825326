import { Bits, byteAt, type CodedFrames, larger, ONE_FRAME, type ReadPacket, requireFew } from './coded-frames.js';

const AV1_SEQUENCE = 1;
const AV1_FRAME_HEADER = 3;
const AV1_FRAME = 6;
const AV1_REDUNDANT_HEADER = 7;

interface Av1Sequence extends CodedFrames {
  /** Reads whether a frame is shown and whether it has a size of its own. */
  readonly frame: (bits: Bits) => { readonly isShown: boolean; readonly hasSize: boolean };
  /** The largest size that a frame header can state. */
  readonly largest: CodedFrames;
}

/** A packet can hold any number of frames (AV1, 5.3 and 7.5). */
export function av1Reader(): ReadPacket {
  let sequence: Av1Sequence | undefined;
  return (packet) => {
    let all: CodedFrames = { ...ONE_FRAME, frames: 0 };
    for (const [type, unit] of av1Units(packet)) {
      if (type === AV1_SEQUENCE) sequence = av1Sequence(new Bits(unit));
      // dav1d reads these as further frames. No encoder writes them.
      if (type === AV1_REDUNDANT_HEADER) throw new Error('it has a redundant frame header');
      if (type !== AV1_FRAME_HEADER && type !== AV1_FRAME) continue;
      if (sequence === undefined) throw new Error('it has a frame before the header that states its size');
      const { isShown, hasSize } = sequence.frame(new Bits(unit));
      const { width, height } = hasSize ? sequence.largest : sequence;
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
    if (at + length > packet.length) throw new Error('it has a unit that is longer than its packet');
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
  // 2 means that each frame header decides.
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
  return { ...size, frame, largest: { width: 2 ** widthBits, height: 2 ** heightBits, frames: 0 } };
}

/** Returns how many bits the presentation time takes in the header of a shown frame. */
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
