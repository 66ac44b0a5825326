import { MediaFault, refuseHiddenMedia } from './hidden-media.js';
import { partOf, type StoredMedia } from './media-facts.js';

/** ffmpeg chooses MP3 after seven consecutive frames. Until then it reads more and tries all other formats. */
const ENOUGH_FRAMES = 8;
/** Enough for eight frames: the longest frame (layer 2, 160 kbit/s, 8 kHz) has 2881 bytes. */
const START_BYTES = 32 * 1024;
/** Limit for zeros or tags after the last frame, if the file has fewer frames. */
const MOST_BEHIND = 1024;
/** ffmpeg first probes this many bytes, the first tag included, and doubles that with each attempt. */
const [LEAST_PROBED, MOST_PROBED] = [2048, 1024 * 1024];

/**
 * Throws MediaFault if ffmpeg could choose another format for an MP3, because its first frames are not consecutive or contain
 * the signature of another medium. `tags` are the offsets that `readTags` returns.
 */
export async function checkMp3(media: StoredMedia, tags: readonly number[]): Promise<void> {
  const { frames, bytes } = framesIn(await partOf(media, tags.at(-1) ?? 0, START_BYTES));
  // ffmpeg skips only the first tag before it looks for a format.
  const from = tags[1] ?? 0;
  const behindTag = from < MOST_PROBED ? await partOf(media, from, MOST_PROBED - from) : Buffer.alloc(0);
  const enough = frames === ENOUGH_FRAMES && tags.length <= 2 ? bytes : behindTag.length;
  for (let probed = LEAST_PROBED; probed <= MOST_PROBED; probed *= 2) {
    const seen = behindTag.subarray(0, Math.max(0, probed - from));
    refuseHiddenMedia(seen, seen.length);
    if (seen.length >= enough) break;
  }
}

/** Counts the first frames. If there are only a few, they must extend to the end of the file. */
function framesIn(start: Buffer): { frames: number; bytes: number } {
  let [frames, bytes] = [0, 0];
  while (frames < ENOUGH_FRAMES) {
    const length = frameBytes(start, bytes);
    if (length === 0 || bytes + length > start.length) break;
    frames += 1;
    bytes += length;
  }
  if (frames < ENOUGH_FRAMES && (frames === 0 || !isEnd(start.subarray(bytes))))
    throw new MediaFault('has other data between the frames of an MP3');
  return { frames, bytes };
}

/** Whether this is the regular end of a file: nothing, zeros, an ID3v1 or APE tag, or a truncated frame. */
function isEnd(rest: Buffer): boolean {
  if (frameBytes(rest, 0) > rest.length) return true;
  return rest.length <= MOST_BEHIND && /^(?:TAG|APETAGEX|\0*$)/.test(rest.toString('latin1'));
}

/** In kbit/s, by layer: `whole` for MPEG 1, `half` for MPEG 2 and 2.5. */
const BIT_RATES = {
  whole: [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  ],
  half: [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  ],
};
const SAMPLE_RATES = [44_100, 48_000, 32_000];
/** The divisor of the sample rate, by version. */
const VERSIONS = [4, undefined, 2, 1];

/** The length of the frame at `at` (ISO/IEC 11172-3, 2.4.2.3); 0 if there is none, or it states no bit rate. */
function frameBytes(content: Buffer, at: number): number {
  if (at + 4 > content.length) return 0;
  const header = content.readUInt32BE(at);
  const divisor = VERSIONS[(header >>> 19) & 3];
  const layer = 4 - ((header >>> 17) & 3);
  const rates = BIT_RATES[divisor === 1 ? 'whole' : 'half'][layer - 1];
  const bitRate = 1000 * (rates?.[(header >>> 12) & 15] ?? 0);
  const sampleRate = (SAMPLE_RATES[(header >>> 10) & 3] ?? 0) / (divisor ?? 1);
  if (header >>> 21 !== 0x7ff || divisor === undefined || bitRate === 0 || sampleRate === 0) return 0;
  const padding = (header >>> 9) & 1;
  if (layer === 1) return 4 * (Math.floor((12 * bitRate) / sampleRate) + padding);
  const slots = layer === 3 && divisor > 1 ? 72 : 144;
  return Math.floor((slots * bitRate) / sampleRate) + padding;
}
