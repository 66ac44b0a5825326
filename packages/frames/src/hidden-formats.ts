// What ComfyUI decodes of a file although its first bytes say something else: ffmpeg and Pillow look further.

/** ffmpeg chooses the format of a picture or a sound that it recognises by so many bytes. */
const PROBE_BYTES = 2048;
const NUT = Buffer.from('4e4d7a561f5f04ad', 'hex');
const MXF = Buffer.from('060e2b34020501010d0102010102', 'hex');
const START_CODE = '\0\0\x01';
/** What follows the start code of MPEG program streams, H.262 and MPEG-4; of H.265 and H.266. */
const VIDEO_STARTS: ReadonlySet<number> = new Set([0xb0, 0xb3, 0xb6, 0xba]);
const VIDEO_UNITS: ReadonlySet<number> = new Set([0x4201, 0x0079]);
/** H.264: two parameter sets and a frame. */
const AVC_UNITS = [5, 7, 8];

/**
 * Whether ffmpeg takes a file with this beginning for another format, which it finds behind other bytes: in a comment of a
 * JPEG, in a text of a PNG or in a chunk of a WAV. Nothing in it is measured. `mime`: what it is by its first bytes.
 */
export function hidesFormat(beginning: Buffer, mime: string): boolean {
  const start = beginning.subarray(0, PROBE_BYTES);
  if (start.includes(NUT) || start.includes(MXF)) return true;
  const isTransport = mime === 'video/mp2t' && start[0] === PACKET_START;
  if (!isTransport && PACKET_BYTES.some((bytes) => hidesPackets(start, bytes))) return true;
  // ffmpeg is surer of other pictures than of a video without a container.
  if (mime !== 'image/jpeg') return false;
  return hidesVideo(placesOf(start, START_CODE).map((at) => (start[at + 3] ?? 0xff) * 256 + (start[at + 4] ?? 0xff)));
}

function hidesVideo(codes: readonly number[]): boolean {
  if (codes.some((code) => VIDEO_STARTS.has(code >> 8) || VIDEO_UNITS.has(code))) return true;
  return AVC_UNITS.every((unit) => codes.some((code) => code >> 15 === 0 && ((code >> 8) & 0x1f) === unit));
}

/** Of transport streams. */
const PACKET_START = 0x47;
const PACKET_BYTES = [188, 192, 204] as const;
/** Of the ten that the beginning holds. */
const MOST_PACKETS = 5;

/** Counts starts of packets that lie apart by the length of a packet, as ffmpeg does. */
function hidesPackets(start: Buffer, bytes: number): boolean {
  const found = new Array<number>(bytes).fill(0);
  let all = 0;
  for (let at = start.indexOf(PACKET_START); at !== -1; at = start.indexOf(PACKET_START, at + 1)) {
    if (((start[at + 3] ?? 0) & 0x30) === 0) continue;
    found[at % bytes] = (found[at % bytes] ?? 0) + 1;
    all += 1;
  }
  const most = Math.max(...found);
  return most - Math.max(0, all - 10 * most) / 10 > MOST_PACKETS;
}

const TIFFS: ReadonlySet<string> = new Set(['II*\0', 'MM\0*']);

/** How many pictures ComfyUI decodes of a JPEG, WebP or TIFF, if sharp may count fewer; else 0. Throws for too many. */
export function hiddenPictures(content: Buffer): number {
  if (content.toString('latin1', 0, 3) === '\xff\xd8\xff') return listedPictures(content);
  if (content.toString('latin1', 0, 4) === 'RIFF') return isJoined(content) ? Number.POSITIVE_INFINITY : 0;
  return TIFFS.has(content.toString('latin1', 0, 4)) ? tiffPages(content) : 0;
}

/** Of what is looked for; real files have a few. */
const MOST_PLACES = 10_000;
const INDEX_ENTRY_BYTES = 16;

/** An upper bound: the index of a JPEG can list a picture any number of times, and Pillow decodes it each time (CIPA DC-007). */
function listedPictures(content: Buffer): number {
  const segments = placesOf(content, 'MPF\0').filter((at) => content.readUInt16BE(at - 4) === 0xffe2);
  return segments.reduce((sum, at) => sum + Math.floor(content.readUInt16BE(at - 2) / INDEX_ENTRY_BYTES), 0);
}

/** ffmpeg decodes the WebP pictures that follow the first one, too. */
function isJoined(content: Buffer): boolean {
  return placesOf(content, 'WEBP').some((at) => at > 8 && content.toString('latin1', at - 8, at - 4) === 'RIFF');
}

function placesOf(content: Buffer, text: string): number[] {
  const places: number[] = [];
  for (let at = content.indexOf(text); at !== -1; at = content.indexOf(text, at + text.length)) {
    places.push(at);
    requireFew(places.length);
  }
  return places;
}

/** Pillow reads pages that libtiff, and so sharp, takes for damaged, and those that follow them (TIFF 6.0, 2). */
function tiffPages(content: Buffer): number {
  const isLittle = content[0] === 0x49;
  const number = (at: number, bytes: number) =>
    at + bytes > content.length ? 0 : isLittle ? content.readUIntLE(at, bytes) : content.readUIntBE(at, bytes);
  const pages = new Set<number>();
  for (let at = number(4, 4); at > 0 && !pages.has(at); at = number(at + 2 + 12 * number(at, 2), 4)) {
    pages.add(at);
    requireFew(pages.size);
  }
  return pages.size;
}

function requireFew(count: number): void {
  if (count > MOST_PLACES) throw new Error('it has too much in it');
}
