import { buffer } from 'node:stream/consumers';
import { MediaFault } from './hidden-media.js';
import { isTag, refusePackedTag } from './id3-tag.js';
import { contentOf, HEADER_BYTES, type StoredMedia } from './media-facts.js';

// What ffmpeg decodes of a container although mediabunny does not show it.

/** Packets at the beginning of each stream of an Ogg that are none of the sound. */
const OGG_HEADERS = 3;

/** Throws if there are packets of other streams, or of streams behind the first one. */
export async function checkOgg({ name, frames }: StoredMedia, packets: number, tracks: number): Promise<void> {
  let rest = Buffer.alloc(0);
  let all = 0;
  for await (const part of (await frames.open(name)) ?? []) {
    rest = Buffer.concat([rest, part]);
    for (let page = oggPage(rest); page !== undefined; page = oggPage(rest)) {
      all += page.packets;
      rest = rest.subarray(page.bytes);
    }
  }
  // ffmpeg would look for the next page.
  if (rest.length > 0) throw new Error('it has something else than pages');
  if (all > packets + tracks * OGG_HEADERS) throw new Error('it has packets of other streams');
}

/** RFC 3533, 6. */
function oggPage(start: Buffer) {
  const count = start[26];
  if (count === undefined || start.length < 27 + count) return undefined;
  if (start.toString('latin1', 0, 4) !== 'OggS') throw new Error('it has something else than pages');
  const segments = start.subarray(27, 27 + count);
  const bytes = 27 + count + segments.reduce((sum, length) => sum + length, 0);
  return start.length < bytes ? undefined : { bytes, packets: segments.filter((length) => length < 255).length };
}

/** ffmpeg reads the tags in a WAV, which stand in a chunk of their own. Real ones have one. */
const MOST_TAGS = 8;
const TAG_STEP = 4096;

/** Throws MediaFault for tags with compressed frames, wherever a WAV has them. */
export async function checkWave(media: StoredMedia): Promise<void> {
  let tags = 0;
  let at = 0;
  for await (const part of contentOf(media)) {
    for (const tag of boxesIn(part, 'ID3')) {
      if (!isTag(tag)) continue;
      tags += 1;
      if (tags > MOST_TAGS) throw new MediaFault('has too many tags');
      const read = (from: number) => partOf(media, from, TAG_STEP);
      await refusePackedTag(read, at + tag.byteOffset - part.byteOffset);
    }
    at += Math.max(0, part.length - HEADER_BYTES);
  }
}

/**
 * ffmpeg decodes a video once for each entry of its edit list, and the descriptions of its samples can differ, of which
 * mediabunny reads one. ffmpeg finds these boxes at any depth, but not in the media data.
 */
export async function checkMp4(media: StoredMedia, tracks: number): Promise<void> {
  let handlers = 0;
  for (let at = 0; at + 8 <= media.bytes; ) {
    media.signal.throwIfAborted();
    const header = await partOf(media, at, 16);
    const stated = header.readUInt32BE(0);
    const size = stated === 1 ? Number(header.readBigUInt64BE(8)) : stated === 0 ? media.bytes - at : stated;
    if (size < 8) throw new Error('a box in it is too small');
    if (header.toString('latin1', 4, 8) !== 'mdat') {
      const end = Math.min(at + size, media.bytes) - 1;
      for await (const part of contentOf(media, { start: at, end })) handlers += checkBoxes(part);
    }
    at += size;
  }
  if (handlers !== tracks) throw new Error('it has tracks that cannot be measured');
}

/** Returns how many tracks of pictures and sounds there are. */
function checkBoxes(part: Buffer): number {
  if (boxesIn(part, 'stsd').some((box) => box.readUInt32BE(8) > 1))
    throw new Error('it has several sample descriptions');
  for (const box of boxesIn(part, 'elst')) {
    // An entry without media only delays the rest.
    const isDelay = box.readInt32BE(box[4] === 1 ? 20 : 16) === -1;
    if (box.readUInt32BE(8) > (isDelay ? 2 : 1)) throw new Error('it has an edit list of several parts');
  }
  return boxesIn(part, 'hdlr').filter((box) => /^(vide|soun|m1a )$/.test(box.toString('latin1', 12, 16))).length;
}

/** From their names on; without those that the next part shows as a whole. */
function boxesIn(part: Buffer, name: string): Buffer[] {
  const boxes: Buffer[] = [];
  for (let at = part.indexOf(name); at !== -1; at = part.indexOf(name, at + 4)) {
    if (at + HEADER_BYTES < part.length) boxes.push(part.subarray(at, at + HEADER_BYTES));
  }
  return boxes;
}

const MATROSKA = { segment: 0x18538067, tracks: 0x1654ae6b, entry: 0xae, type: 0x83 };
const [VIDEO, AUDIO] = [1, 2];
/** Of the description of all tracks. */
const MOST_BYTES = 8 * 1024 * 1024;

/** mediabunny leaves out tracks that are compressed, disabled or incomplete; ffmpeg does not. */
export async function checkMatroska(media: StoredMedia, tracks: number): Promise<void> {
  let all = 0;
  for (let at = 0; at < media.bytes; ) {
    media.signal.throwIfAborted();
    const { id, start, size } = elementAt(await partOf(media, at, 16), 0);
    const content = at + start;
    // The segment, and clusters of a stream, whose size nobody knew.
    if (id === MATROSKA.segment || size === undefined) at = content;
    else {
      if (id === MATROSKA.tracks) all += tracksIn(await partOf(media, content, Math.min(size, MOST_BYTES)));
      at = content + size;
    }
  }
  if (all !== tracks) throw new Error('it has tracks that cannot be measured');
}

function tracksIn(bytes: Buffer): number {
  let count = 0;
  for (const [id, entry] of elementsIn(bytes)) {
    if (id !== MATROSKA.entry) continue;
    for (const [name, value] of elementsIn(entry)) {
      const type = name === MATROSKA.type ? value.at(-1) : undefined;
      if (type === VIDEO || type === AUDIO) count += 1;
    }
  }
  return count;
}

function* elementsIn(bytes: Buffer): Generator<readonly [id: number, content: Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const { id, start, size = bytes.length } = elementAt(bytes, at);
    yield [id, bytes.subarray(start, start + size)];
    at = start + size;
  }
}

/** RFC 8794, 4 to 6; without a size where it is unknown. */
function elementAt(bytes: Buffer, at: number) {
  const idBytes = Math.clz32((bytes[at] ?? 0) << 24) + 1;
  const sizeBytes = Math.clz32((bytes[at + idBytes] ?? 0) << 24) + 1;
  const start = at + idBytes + sizeBytes;
  if (idBytes > 4 || sizeBytes > 8 || start > bytes.length) throw new Error('it has something else than elements');
  const [first = 0, ...others] = bytes.subarray(at + idBytes, start);
  const size = others.reduce((sum, byte) => sum * 256 + byte, first - 2 ** (8 - sizeBytes));
  return { id: bytes.readUIntBE(at, idBytes), start, size: size >= 2 ** (7 * sizeBytes) - 1 ? undefined : size };
}

async function partOf({ name, bytes, frames }: StoredMedia, start: number, length: number): Promise<Buffer> {
  if (start >= bytes) return Buffer.alloc(0);
  const content = await frames.open(name, { start, end: Math.min(start + length, bytes) - 1 });
  if (content === undefined) throw new Error('it is no longer there');
  return buffer(content);
}
