// Signatures that ffmpeg 7.1 finds in the middle of a file. It chooses the format whose probe has the highest score.

/** A file that ComfyUI must not get. The message says what the file is or has, such as "is a damaged picture". */
export class MediaFault extends Error {}

export const damaged = () => new MediaFault('is a damaged picture');

/** How many bytes ffmpeg probes first. It probes more if two formats have the same score. */
const PROBED_BYTES = 2048;

/** JPEG, TIFF, BMP and MP3 have low scores, so that even streams without a signature outrank them. */
const WEAK = ['\xff', 'II*\0', 'MM\0*', 'BM'];

/** NUT, MXF and Interplay MVE outrank every other format. */
const STRONG = [
  Buffer.from('4e4d7a561f5f04ad', 'hex'),
  Buffer.from('060e2b34020501010d0102010102', 'hex'),
  Buffer.from('Interplay MVE File'),
];
const NULLSOFT = Buffer.from('NSVs');

const PART_START = Buffer.from('000001', 'hex');
/** Streams by the two bytes after the start code of a part, in hexadecimal. A stream has parts of all listed kinds. */
const STREAMS: readonly (readonly RegExp[])[] = [
  [/^ba[24-7]/], // MPEG program stream
  [/^400[0-7]/, /^420[0-7]/, /^440[0-7]/, /^2[02468a]0[0-7]/], // H.265
  [/^b020/, /^b[36]/], // AVS
];
/** A sequence header of the advanced profile, an entry point and a picture, in this order. */
const VC1 = [/^0f[c-f]/, /^0e/, /^0d/];

/** Throws MediaFault if ffmpeg could choose another format for the file than its first bytes state. */
export function refuseHiddenMedia(start: Buffer): void {
  if (hidesMedium(start)) throw new MediaFault('has bytes in its metadata that ffmpeg would take for a video');
}

function hidesMedium(start: Buffer): boolean {
  if (STRONG.some((one) => start.includes(one))) return true;
  const probed = start.subarray(0, PROBED_BYTES);
  if (start[0] !== SYNC && isTransportStream(probed)) return true;
  if (!WEAK.some((one) => start.toString('latin1', 0, one.length) === one)) return false;
  const parts = partsOf(probed);
  return (
    probed.includes(NULLSOFT) ||
    STREAMS.some((kinds) => kinds.every((kind) => parts.some((part) => kind.test(part)))) ||
    haveInOrder(parts, VC1) ||
    isH264(parts) ||
    isH266(parts) ||
    isMpegVideo(parts) ||
    isH261(probed) ||
    isH263(probed) ||
    isDv(probed)
  );
}

function partsOf(probed: Buffer): string[] {
  const parts: string[] = [];
  for (let at = probed.indexOf(PART_START); at !== -1; at = probed.indexOf(PART_START, at + 3))
    parts.push(probed.toString('hex', at + 3, at + 5));
  return parts;
}

function haveInOrder(parts: readonly string[], kinds: readonly RegExp[]): boolean {
  let found = 0;
  for (const part of parts) if (kinds[found]?.test(part)) found += 1;
  return found === kinds.length;
}

function isH264(parts: readonly string[]): boolean {
  const count = (kind: RegExp) => parts.filter((part) => kind.test(part)).length;
  const [sequences, settings, whole, slices] = [
    count(/^[246]7/),
    count(/^[246]8/),
    count(/^[246]5/),
    count(/^[0246]1/),
  ];
  const reserved = count(/^[1357][^3]|^[0246][ef]|^[246]0|^00(?!00)/);
  const isOne = sequences > 0 && settings > 0 && (whole > 0 || slices > 3) && count(/^[89a-f]/) === 0;
  return isOne && reserved < sequences + settings + whole;
}

/** Requires parameter sets of both kinds. Parts with bits that no encoder writes come from an MP3. */
function isH266(parts: readonly string[]): boolean {
  const has = (kind: RegExp) => parts.some((part) => kind.test(part));
  const isOdd = has(/^[89a-f]|^...[08]|^..(?:3[a-f]|[4-7][2-7a-f]|a[a-f]|b[2-7])/);
  return has(/^[0-3].7[9a-f]/) && has(/^[0-3].8[1-7]/) && !isOdd;
}

/** MPEG-1 and MPEG-2, then MPEG-4. */
function isMpegVideo(parts: readonly string[]): boolean {
  const codes = parts.map((part) => Number.parseInt(part.slice(0, 2), 16));
  const count = (from: number, to = from) => codes.filter((code) => code >= from && code <= to).length;
  const [pictures, slices] = [count(0), count(0x01, 0xaf)];
  if (count(0xb3) > 0 && pictures > 1 && pictures * 9 <= slices * 10) return true;
  const [objects, layers, planes] = [count(0, 0x1f), count(0x20, 0x2f), count(0xb6)];
  const others = count(0x30, 0xaf) + count(0xc4, 0xff);
  return layers > 0 && objects >= layers && planes >= layers && others === 0;
}

const SYNC = 0x47;
const PACKET_BYTES = [188, 192, 204];
/** In a stream, more than this many of ten packets have a start. */
const MOST_PACKETS = 5;

/** Packets start at a fixed distance. Sync bytes elsewhere count against a stream, as in a picture of a single grey. */
function isTransportStream(probed: Buffer): boolean {
  return PACKET_BYTES.some((bytes) => {
    const found = new Array<number>(bytes).fill(0);
    let all = 0;
    for (let at = probed.indexOf(SYNC); at !== -1; at = probed.indexOf(SYNC, at + 1)) {
      const isPadding = ((probed[at + 1] ?? 0) & 0x1f) === 0x1f && probed[at + 2] === 0xff;
      if (!isPadding && ((probed[at + 3] ?? 0) & 0x30) === 0) continue;
      found[at % bytes] = (found[at % bytes] ?? 0) + 1;
      all += 1;
    }
    const most = Math.max(...found);
    const tens = Math.max(1, Math.floor(probed.length / bytes) / 10);
    return most - Math.max(0, all - 10 * most) / 10 > MOST_PACKETS * tens;
  });
}

/** Looks for groups of blocks in the order of their numbers: 0 to 12, or 0, 1, 3, 5 in the small format. */
function isH261(probed: Buffer): boolean {
  const NEXT = { large: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0], small: [1, 3, -1, 5, -1, 0] };
  let [valid, invalid, next] = [0, 0, 0];
  let format: keyof typeof NEXT = 'small';
  for (let at = 1; at + 4 <= probed.length; at += 1) {
    const marker = probed[at + 1] ?? 0;
    if (probed[at] !== 0 || marker === 0) continue;
    // The start code can begin at any bit; `marker` contains its only set bit.
    const code = Math.floor(probed.readUIntBE(at - 1, 5) / 2 ** (31 - Math.clz32(marker))) % 2 ** 32;
    if ((code & 0xffff0000) !== 0x10000) continue;
    const group = (code >> 12) & 0xf;
    if (group === 0) format = (code & 8) === 0 ? 'small' : 'large';
    if (group === next) valid += 1;
    else invalid += 1;
    next = NEXT[format][group] ?? -1;
  }
  return valid > 6 && valid > invalid;
}

function isH263(probed: Buffer): boolean {
  return countOf(probed, (bits) => (bits & 0xfffffc03) === 0x8002) > 2;
}

function isDv(probed: Buffer): boolean {
  return countOf(probed, (bits) => (bits & 0xff07ff7f) === 0x1f07003f || bits === 0xff3f0701) > 4;
}

/** Counts the offsets at which the next 32 bits meet the condition. */
function countOf(probed: Buffer, is: (bits: number) => boolean): number {
  let count = 0;
  for (let at = 0; at + 4 <= probed.length; at += 1) if (is(probed.readUInt32BE(at))) count += 1;
  return count;
}
