import { isUsualRate } from '@comfy-fleet/contracts';
import { MediaFault } from './hidden-media.js';

/** Returns how many samples, over all channels, a decoder can make of the next packet of a sound. */
export type CountSamples = (packet: Uint8Array) => number;

/** The largest number of samples in a packet: half of the largest block. */
const VORBIS_PACKET = 4096;
/**
 * An AAC packet can contain any number of frames, which only a decoder finds. ffmpeg makes 4096 samples of the smallest frame,
 * which has 4 bytes (2048 samples with spectral band replication, in two channels).
 */
const AAC_BYTE = 1024;

/** Counts what no header can misstate: packets, bytes, or the frame headers that a decoder needs. */
export function sampleCounter(codec: string | undefined, configuration: Uint8Array | undefined): CountSamples {
  switch (codec) {
    case 'opus': {
      const channels = configuration?.[9] ?? 255;
      requireFewChannels(channels);
      return (packet) => opusPacket(packet) * channels;
    }
    case 'vorbis':
      return vorbisCounter(configuration ?? new Uint8Array());
    case 'mp4a.40.2':
    case 'mp4a.40.5':
    case 'mp4a.40.29':
      // The rate can be a number of its own instead of a usual one.
      if ((((configuration?.[0] ?? 0) & 7) << 1) + ((configuration?.[1] ?? 0) >> 7) === 15) throw unusual('of its own');
      requireFewChannels(aacChannels(configuration));
      return ({ length }) => length * AAC_BYTE;
    case 'flac': {
      const count = frameCounter(flacFrame);
      return (packet) => {
        requireUsualFlac(packet);
        return count(packet);
      };
    }
    case 'mp3':
      return frameCounter(mpegFrame);
  }
  if (codec === 'ulaw' || codec === 'alaw') return ({ length }) => length;
  const [, bits] = /^pcm-[suf](\d+)/.exec(codec ?? '') ?? [];
  if (bits !== undefined) return ({ length }) => (length * 8) / Number(bits);
  throw new Error(`the codec ${codec} cannot be measured`);
}

/** Configurations 1 to 6 are numbers of channels. 0 leaves the channels to the packets; most others have eight or more. */
function aacChannels(configuration: Uint8Array | undefined): number {
  const number = ((configuration?.[1] ?? 0) >> 3) & 15;
  return number >= 1 && number <= 6 ? number : 255;
}

/** RFC 6716, 3.1. */
function opusPacket([toc = 0, count = 0]: Uint8Array): number {
  const mode = toc >> 3;
  const milliseconds = (mode < 12 ? [10, 20, 40, 60] : mode < 16 ? [10, 20, 10, 20] : [2.5, 5, 10, 20])[mode & 3] ?? 0;
  return 48 * milliseconds * ([1, 2, 2, count & 0x3f][toc & 3] ?? 0);
}

function vorbisCounter(configuration: Uint8Array): CountSamples {
  const view = Buffer.from(configuration);
  const header = view.indexOf('\x01vorbis', 0, 'latin1');
  const channels = view[header + 11] ?? 255;
  requireFewChannels(channels);
  if (header >= 0 && view.length >= header + 16) requireUsualRate(view.readUInt32LE(header + 12));
  return ([first = 0]) => {
    // Another header can change the number of channels.
    if (first % 2 === 1) throw new Error('it has a header between its packets');
    return VORBIS_PACKET * channels;
  };
}

/** The longest header, that of a FLAC frame. */
const HEADER_BYTES = 16;

/** Counts frames by their headers, since ffmpeg splits packets anew. Also counts what only looks like headers, which is little. */
function frameCounter(samplesOf: (bytes: Uint8Array, at: number) => number): CountSamples {
  let end = Buffer.alloc(0);
  return (packet) => {
    const bytes = Buffer.concat([end, packet]);
    let samples = 0;
    for (let at = bytes.indexOf(0xff); at !== -1; at = bytes.indexOf(0xff, at + 1)) samples += samplesOf(bytes, at);
    end = bytes.subarray(-HEADER_BYTES);
    return samples;
  };
}

const SAMPLES_OF_LAYERS = [0, 1152, 1152, 384] as const;
const LAYER_3 = 1;

/** ISO/IEC 11172-3, 2.4.1.3. Accepts the headers that ffmpeg accepts. */
function mpegFrame(part: Uint8Array, at: number): number {
  const [kind = 0, rates = 0, mode = 0] = [part[at + 1], part[at + 2], part[at + 3]];
  const layer = (kind >> 1) & 3;
  const [bitRate, sampleRate] = [rates >> 4, (rates >> 2) & 3];
  if (kind < 0xe0 || layer === 0 || bitRate === 0 || bitRate === 15 || sampleRate === 3) return 0;
  const isHalf = layer === LAYER_3 && (kind & 0x18) !== 0x18;
  return ((SAMPLES_OF_LAYERS[layer] ?? 0) / (isHalf ? 2 : 1)) * (mode >> 6 === 3 ? 1 : 2);
}

function flacFrame(part: Uint8Array, at: number): number {
  const header = flacHeader(part, at);
  if (header === undefined) return 0;
  return flacBlock(header.block, part, header.blockAt) * header.channels;
}

/** RFC 9639, 9.1. */
function flacHeader(part: Uint8Array, at: number) {
  const [sync = 0, sizes = 0, number = 0] = [part[at + 1], part[at + 2], part[at + 4]];
  if (part[at] !== 0xff || sync >> 1 !== 0x7c) return undefined;
  const [block, rate] = [sizes >> 4, sizes & 15];
  // The frame number is coded as UTF-8.
  const numberBytes = number < 0x80 ? 1 : Math.clz32(~(number << 24));
  const blockAt = at + 4 + numberBytes;
  const rateAt = blockAt + (block === 6 ? 1 : block === 7 ? 2 : 0);
  const end = rateAt + (rate === 12 ? 1 : rate === 13 || rate === 14 ? 2 : 0);
  if (block === 0 || end >= part.length || crc8(part.subarray(at, end)) !== part[end]) return undefined;
  // From 8 on, it tells how the two channels differ.
  const layout = (part[at + 3] ?? 0) >> 4;
  return { block, blockAt, rate, rateAt, channels: layout < 8 ? layout + 1 : 2 };
}

/** Throws for a FLAC frame with an unusual sample rate or too many channels of its own, which ffmpeg takes for the sound's. */
function requireUsualFlac(part: Uint8Array): void {
  const { rate, rateAt = 0, channels = 0 } = flacHeader(part, 0) ?? {};
  requireFewChannels(channels);
  const value = (part[rateAt] ?? 0) * 256 + (part[rateAt + 1] ?? 0);
  if (rate === 13 || rate === 14) requireUsualRate(rate === 13 ? value : 10 * value);
}

/** With more, PyAV ends ComfyUI by a segmentation fault. */
const MOST_CHANNELS = 7;

/** Throws MediaFault for more channels than ComfyUI can read. */
export function requireFewChannels(channels: number): void {
  if (channels > MOST_CHANNELS) throw new MediaFault(`has a sound with more than ${MOST_CHANNELS} channels`);
}

/** Throws for a sample rate from which to resample would take gigabytes. */
export function requireUsualRate(rate: number): void {
  if (!isUsualRate(rate)) throw unusual(`${rate}`);
}

const unusual = (rate: string) => new MediaFault(`has an unusual sample rate (${rate})`);

function flacBlock(code: number, part: Uint8Array, at: number): number {
  const [first = 0, second = 0] = [part[at], part[at + 1]];
  if (code === 1) return 192;
  if (code === 6) return first + 1;
  if (code === 7) return first * 256 + second + 1;
  return code < 6 ? 576 * 2 ** (code - 2) : 256 * 2 ** (code - 8);
}

function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x80) === 0 ? crc << 1 : ((crc << 1) ^ 0x07) & 0xff;
  }
  return crc;
}
