import { type Covers, coverFault } from './covers.js';
import type { ByteRange } from './frame-store.js';
import { MediaFault } from './hidden-media.js';
import { isTag, readTags } from './id3-tag.js';
import { contentOf, HEADER_BYTES, partOf, type StoredMedia } from './media-facts.js';
import { type Box, boxesOf, checkTracks, MOST_ENTRIES, Places } from './mp4-tracks.js';
import { requireFlacRate } from './sound-samples.js';

// Finds what ffmpeg decodes in a container although mediabunny does not show it.

/** How many packets at the beginning of an Ogg stream are headers. */
const OGG_HEADERS = 3;

/** Enough for covers of 16 MiB in base64. */
const MOST_COMMENT_BYTES = 24 * 1024 * 1024;

/** Adds the covers of an Ogg. Throws if it has more packets than the first stream, or other streams. */
export async function checkOgg({ name, frames }: StoredMedia, packets: number, covers: Covers): Promise<void> {
  let rest = Buffer.alloc(0);
  let all = 0;
  let stream: number | undefined;
  let packet: Buffer[] = [];
  let packetBytes = 0;
  for await (const part of (await frames.open(name)) ?? []) {
    rest = Buffer.concat([rest, part]);
    for (let page = oggPage(rest); page !== undefined; page = oggPage(rest)) {
      stream ??= page.stream;
      if (page.stream !== stream) throw new Error('it has packets of other streams');
      let at = page.start;
      for (const length of page.segments) {
        packet.push(rest.subarray(at, at + length));
        packetBytes += length;
        at += length;
        if (packetBytes > MOST_COMMENT_BYTES) throw coverFault();
        if (length === 255) continue;
        all += 1;
        if (all > packets + OGG_HEADERS) throw new Error('it has packets of other streams');
        await covers.addComments(Buffer.concat(packet));
        packet = [];
        packetBytes = 0;
      }
      rest = rest.subarray(at);
    }
  }
  // ffmpeg would look for another page in the rest.
  if (rest.length > 0) throw new Error('it has data outside its pages');
}

/** RFC 3533, 6. */
function oggPage(bytes: Buffer) {
  const count = bytes[26];
  if (count === undefined || bytes.length < 27 + count) return undefined;
  const segments = bytes.subarray(27, 27 + count);
  const start = 27 + count;
  const end = start + segments.reduce((sum, length) => sum + length, 0);
  if (bytes.length < end) return undefined;
  // ffmpeg looks for pages inside a damaged page.
  if (bytes.toString('latin1', 0, 5) !== 'OggS\0' || bytes.readUInt32LE(22) !== oggChecksum(bytes.subarray(0, end)))
    throw new Error('it has a damaged page');
  return { start, segments, stream: bytes.readUInt32LE(14) };
}

const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) sum = (sum << 1) ^ (sum < 0 ? 0x04c11db7 : 0);
  return sum;
});

/** The checksum of a page; the bytes of the checksum itself count as zeros (RFC 3533, 6). */
export function oggChecksum(page: Buffer): number {
  let sum = 0;
  for (let at = 0; at < page.length; at += 1) {
    const byte = at >= 22 && at < 26 ? 0 : (page[at] ?? 0);
    sum = (sum << 8) ^ (CHECKSUMS[(sum >>> 24) ^ byte] ?? 0);
  }
  return sum >>> 0;
}

/** ffmpeg reads ID3 tags in chunks of a WAV. A usual WAV has one such chunk. */
const MOST_TAG_CHUNKS = 8;

/** Adds the covers in the ID3 tags of a WAV. */
export async function checkWave(media: StoredMedia, covers: Covers): Promise<void> {
  let chunks = 0;
  await requireOneFormat(media);
  for await (const { part, at } of partsOf(media)) {
    // The signature of a Motion JPEG video after the sound.
    if (part.includes('SMV00200')) throw new MediaFault('has a video in it');
    for (const chunk of [...boxesIn(part, 'id3 '), ...boxesIn(part, 'ID3 ')]) {
      if (!isTag(chunk.subarray(8))) continue;
      chunks += 1;
      if (chunks > MOST_TAG_CHUNKS) throw new MediaFault('has too many tags');
      await readTags(media, at + chunk.byteOffset - part.byteOffset + 8, covers);
    }
  }
}

const MOST_WAVE_CHUNKS = 30_000;

/** ffmpeg takes the first `fmt ` chunk, mediabunny the last one. */
async function requireOneFormat(media: StoredMedia): Promise<void> {
  const isBig = (await partOf(media, 0, 4)).toString('latin1') === 'RIFX';
  let formats = 0;
  for (let [at, count] = [12, 0]; at + 8 <= media.bytes; count += 1) {
    const header = await partOf(media, at, 8);
    if (header.toString('latin1', 0, 4) === 'fmt ') formats += 1;
    if (formats > 1 || count > MOST_WAVE_CHUNKS) throw new MediaFault('has several formats, or too many parts');
    const size = isBig ? header.readUInt32BE(4) : header.readUInt32LE(4);
    at += 8 + size + (size & 1);
  }
}

const FLAC = { comments: 4, picture: 6 };
const MOST_BLOCKS = 1000;

/** Adds the covers in the metadata blocks of a FLAC (RFC 9639, 8), which begin at `at`. */
export async function checkFlac(media: StoredMedia, at: number, covers: Covers): Promise<void> {
  let isLast = false;
  for (let blocks = 0; !isLast; blocks += 1) {
    const header = await partOf(media, at, 4);
    if (header.length < 4 || blocks > MOST_BLOCKS) throw new MediaFault('is a damaged FLAC');
    const [type, size] = [header.readUInt8(0) & 0x7f, header.readUIntBE(1, 3)];
    isLast = header.readUInt8(0) > 0x7f;
    if (type === FLAC.comments) await covers.addComments(await partOf(media, at + 4, size));
    if (type === FLAC.picture) await covers.addBlock(await partOf(media, at + 4, size));
    at += 4 + size;
  }
  requireFlacRate(await partOf(media, at, 24));
}

/** Yields the content in parts, each with its offset in the file. */
async function* partsOf(media: StoredMedia, range?: ByteRange) {
  let at = range?.start ?? 0;
  for await (const part of contentOf(media, range)) {
    yield { part, at };
    at += Math.max(0, part.length - HEADER_BYTES);
  }
}

/**
 * Adds the covers of an MP4 or QuickTime file. Refuses edit lists with several entries, because ffmpeg decodes the video once
 * for each, and several sample descriptions, because mediabunny reads only one. ffmpeg finds these boxes at any depth, but not
 * in the media data. Returns how many packets there are in fragments.
 */
export async function checkMp4(media: StoredMedia, tracks: number, covers: Covers): Promise<number> {
  const [top, places]: [Box[], Places] = [[], new Places()];
  const pictures: number[] = [];
  for await (const box of boxesOf(media)) {
    top.push(box);
    if (box.name === 'mdat') continue;
    for await (const { part, at: from } of partsOf(media, { start: box.at, end: box.end - 1 })) {
      refuseBoxes(part);
      places.add(part, from);
      // The content of a cover box begins with a `data` box.
      const found = boxesIn(part, 'covr').filter((cover) => cover.toString('latin1', 8, 12) === 'data');
      pictures.push(...found.map((cover) => from + cover.byteOffset - part.byteOffset));
    }
  }
  const { video, packets } = await checkTracks(media, { top, places, tracks });
  for (const place of pictures) {
    if (place < video && video !== Number.POSITIVE_INFINITY)
      throw new MediaFault('has a cover picture before the video');
    await covers.addBox(media, place);
  }
  return packets;
}

/** The tables of the index. mediabunny makes an object for each of their entries at once. */
const TABLES = ['stts', 'ctts', 'stsc', 'stco', 'co64', 'stss'];

function refuseBoxes(part: Buffer): void {
  if (boxesIn(part, 'stsd').some((box) => box.readUInt32BE(8) > 1))
    throw new Error('it has several sample descriptions');
  for (const name of TABLES)
    if (boxesIn(part, name).some((box) => box.readUInt32BE(8) > MOST_ENTRIES)) throw new Error('its index is too long');
  for (const box of boxesIn(part, 'elst')) {
    // An entry without media only delays the next entry.
    const isDelay = box.readInt32BE(box[4] === 1 ? 20 : 16) === -1;
    if (box.readUInt32BE(8) > (isDelay ? 2 : 1)) throw new Error('it has an edit list with several entries');
  }
  // ffmpeg would present AVIF or HEIF pictures as streams before the video, and QuickTime artwork as one after it.
  if (boxesIn(part, 'iinf').length > 0) throw new MediaFault('has pictures besides the video');
  if (boxesIn(part, 'com.apple.quicktime.artwork').length > 0) throw coverFault();
}

/** Finds boxes, from their names on. Skips a box at the end of a part, because the next part repeats it. */
function boxesIn(part: Buffer, name: string): Buffer[] {
  const boxes: Buffer[] = [];
  for (let at = part.indexOf(name); at !== -1; at = part.indexOf(name, at + 4)) {
    if (at + HEADER_BYTES < part.length) boxes.push(part.subarray(at, at + HEADER_BYTES));
  }
  return boxes;
}
