import type { Covers } from './covers.js';
import { MediaFault } from './hidden-media.js';
import { partOf, type StoredMedia } from './media-facts.js';
import { requireUsualRate } from './sound-samples.js';

// Finds what ffmpeg decodes in a Matroska or WebM file although mediabunny does not show it. After an element that does not
// fit, ffmpeg looks for the next cluster at any place, and it follows an index to any place.

const ID = {
  header: 0x1a45dfa3,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  info: 0x1549a966,
  tracks: 0x1654ae6b,
  track: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  audio: 0xe1,
  outputRate: 0x78b5,
  encodings: 0x6d80,
  cluster: 0x1f43b675,
  group: 0xa0,
  block: 0xa1,
  simpleBlock: 0xa3,
  cues: 0x1c53bb6b,
  attachments: 0x1941a469,
  attached: 0x61a7,
  mime: 0x4660,
  data: 0x465c,
  chapters: 0x1043a770,
  tags: 0x1254c367,
  empty: 0xec,
  checksum: 0xbf,
};
const { header, segment, seekHead, info, tracks, cluster, group, cues, attachments, attached, chapters, tags } = ID;
const { empty, checksum } = ID;
/** What each element may have in it. The content of others is not entered. */
const CHILDREN: ReadonlyMap<number | undefined, ReadonlySet<number>> = new Map([
  [undefined, new Set([header, segment, empty])],
  [segment, new Set([seekHead, info, tracks, cluster, cues, attachments, chapters, tags, empty, checksum])],
  // Besides blocks: times, positions, sizes, and silent and encrypted tracks.
  [cluster, new Set([ID.simpleBlock, group, 0xe7, 0xa7, 0xab, 0x5854, 0xaf, empty, checksum])],
  // Besides a block: what is added to it, its duration, and what it refers to.
  [group, new Set([ID.block, 0x75a1, 0x9b, 0xfa, 0xfb, 0xfd, 0xa4, 0x75a2, 0x8e, empty, checksum])],
  [attachments, new Set([attached, empty, checksum])],
  // Besides its type and content: its name, description and number.
  [attached, new Set([ID.mime, ID.data, 0x466e, 0x467e, 0x46ae, empty, checksum])],
]);
const SINGLE: ReadonlySet<number> = new Set([header, segment, info, tracks, attachments, ID.block]);
/** Of the elements of a track: its number, type, codec, set-up, video and sound. */
const SINGLE_OF_TRACK: ReadonlySet<number> = new Set([0xd7, 0x83, 0x86, 0x63a2, 0xe0, 0xe1]);
const [VIDEO, AUDIO] = [1, 2];
/** Limit for the description of all tracks. */
const MOST_BYTES = 8 * 1024 * 1024;
/** After an error, ffmpeg looks for one of these. */
const SOUGHT = [tracks, cluster, attachments];
const SOUGHT_BYTES = SOUGHT.map((id) => Buffer.from(id.toString(16), 'hex'));
const MOST_SOUGHT = 100_000;
/** Bytes of a frame look like fewer elements in a row. */
const MOST_STEPS = 100;
/** An hour of sound has 180,000 blocks, each with up to four elements around it. */
const MOST_ELEMENTS = 1_000_000;
/** The longest header of an element, and of a block. */
const [HEADER_BYTES, BLOCK_BYTES] = [12, 12];

interface Element {
  readonly id: number;
  readonly at: number;
  /** Where its content begins. */
  readonly start: number;
  /** Infinity if its size is unknown. */
  readonly end: number;
}

/** Adds the covers of a Matroska file. Returns how many videos and sounds it has, and how many packets they have. */
export async function checkMatroska(
  media: StoredMedia,
  covers: Covers,
): Promise<{ readonly tracks: number; readonly packets: number }> {
  const packets = new Map<number, number>();
  const entered = new Set<number>();
  const types = new Map<number, number>();
  const files: { isPicture: boolean; places: { readonly start: number; readonly bytes: number }[] }[] = [];
  const cursor = new Cursor(media);
  for await (const { element, head } of elementsOf(media, cursor)) {
    const { id, at, start, end } = element;
    if (SOUGHT.includes(id)) entered.add(at);
    if (id === ID.block || id === ID.simpleBlock) {
      const { track, frames } = blockOf(head);
      packets.set(track, (packets.get(track) ?? 0) + frames);
    }
    if (id === attached) files.push({ isPicture: false, places: [] });
    const file = files.at(-1);
    if (id === ID.mime && file !== undefined) file.isPicture ||= head.toString('latin1').startsWith('image/');
    if (id === ID.data) file?.places.push({ start, bytes: end - start });
    if (id !== tracks) continue;
    if (end - start > MOST_BYTES) throw unfit();
    for (const [number, type] of tracksIn(await partOf(media, start, end - start))) types.set(number, type);
  }
  for (const place of cursor.sought)
    if (!entered.has(place) && (await holds(media, place, (track) => types.has(track)))) throw unfit();
  const numbers = [...types].flatMap(([number, type]) => (type === VIDEO || type === AUDIO ? [number] : []));
  const pictures = files.flatMap(({ isPicture, places: own }) => (isPicture ? own : []));
  for (const { start, bytes } of pictures) await covers.add(bytes, () => partOf(media, start, bytes));
  return { tracks: numbers.length, packets: numbers.reduce((sum, number) => sum + (packets.get(number) ?? 0), 0) };
}

interface Parent {
  readonly id: number | undefined;
  readonly end: number;
  /** The kinds of elements found in it so far. */
  readonly seen: Set<number>;
}

const unfit = () => new Error('it has an element at an unusual place');

/** All elements that are entered, in the order of the file, with the first bytes of their content. */
async function* elementsOf(
  media: StoredMedia,
  file: Cursor,
): AsyncGenerator<{ readonly element: Element; readonly head: Buffer }> {
  const parents: Parent[] = [{ id: undefined, end: media.bytes, seen: new Set() }];
  let count = 0;
  for (let next = await file.peek(HEADER_BYTES); next.length > 0; next = await file.peek(HEADER_BYTES)) {
    const { at } = file;
    count += 1;
    if (count > MOST_ELEMENTS) throw new Error('it has too many elements');
    const { id, start, size = Number.POSITIVE_INFINITY } = elementAt(next, 0);
    // A cluster of unknown size ends before the first element that it may not have.
    const isOver = (parent: Parent) =>
      parent.end <= at || (parent.end === Number.POSITIVE_INFINITY && parent.id === cluster && !mayHave(parent, id));
    let parent = parents.at(-1);
    for (; parent !== undefined && isOver(parent); parent = parents.at(-1)) parents.pop();
    if (parent === undefined || !mayHave(parent, id) || (SINGLE.has(id) && parent.seen.has(id))) throw unfit();
    parent.seen.add(id);
    const end = at + start + size;
    const mayBeEndless = id === segment || id === cluster;
    if (end === Number.POSITIVE_INFINITY ? !mayBeEndless : end > Math.min(parent.end, media.bytes)) throw unfit();
    await file.skip(start);
    const isParent = CHILDREN.has(id);
    const head = isParent ? Buffer.alloc(0) : (await file.peek(Math.min(size, BLOCK_BYTES))).subarray(0, size);
    yield { element: { id, at, start: at + start, end }, head };
    if (isParent) parents.push({ id, end, seen: new Set() });
    else await file.skip(size);
  }
}

function mayHave({ id }: Parent, child: number): boolean {
  return CHILDREN.get(id)?.has(child) === true;
}

/** Reads a file from its beginning to its end. */
class Cursor {
  at = 0;
  /** Where the ids are for which ffmpeg looks, as far as the file has been read. */
  readonly sought: number[] = [];
  #read = 0;
  readonly #parts: AsyncGenerator<Buffer>;
  #rest = Buffer.alloc(0);

  constructor(media: StoredMedia) {
    this.#parts = partsOf(media);
  }

  /** The next bytes, fewer at the end of the file. */
  async peek(bytes: number): Promise<Buffer> {
    while (this.#rest.length < bytes) {
      const { value, done } = await this.#parts.next();
      if (done) break;
      this.#seek(value);
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    return this.#rest.subarray(0, bytes);
  }

  #last = Buffer.alloc(0);

  #seek(part: Buffer): void {
    // Ids may be split between parts.
    const all = Buffer.concat([this.#last, part]);
    for (const id of SOUGHT_BYTES)
      for (let at = all.indexOf(id); at !== -1; at = all.indexOf(id, at + 1)) this.sought.push(this.#read + at);
    if (this.sought.length > MOST_SOUGHT) throw new Error('it has too many elements');
    this.#last = all.subarray(-3);
    this.#read += all.length - this.#last.length;
  }

  async skip(bytes: number): Promise<void> {
    this.at += bytes;
    let left = bytes;
    while (left > this.#rest.length) {
      left -= this.#rest.length;
      this.#rest = Buffer.alloc(0);
      if ((await this.peek(1)).length === 0) return;
    }
    this.#rest = this.#rest.subarray(left);
  }
}

async function* partsOf({ name, frames, signal }: StoredMedia): AsyncGenerator<Buffer> {
  for await (const part of (await frames.open(name)) ?? []) {
    signal.throwIfAborted();
    yield part as Buffer;
  }
}

/** The track of a block, and how many frames it has (RFC 9559, 10). */
function blockOf(head: Buffer): { readonly track: number; readonly frames: number } {
  const bytes = lengthAt(head, 0);
  const track = numberAt(head, 0);
  if (track === undefined || head.length < bytes + 3) throw unfit();
  const isLaced = ((head[bytes + 2] ?? 0) & 0x06) !== 0;
  return { track, frames: isLaced ? (head[bytes + 3] ?? 0) + 1 : 1 };
}

/** The number and the type of each track. */
function tracksIn(content: Buffer): [number: number, type: number][] {
  const found: [number, number][] = [];
  for (const [id, entry] of elementsIn(content)) {
    if (id !== ID.track) continue;
    const values = new Map<number, Buffer>();
    for (const [name, value] of elementsIn(entry)) {
      // ffmpeg unpacks the frames of any track, also for a copy.
      if (name === ID.encodings) throw new MediaFault('has a track that is compressed');
      if (name === ID.audio) requireUsualRates(value);
      if (SINGLE_OF_TRACK.has(name) && values.has(name)) throw unfit();
      values.set(name, value);
    }
    const [number, type] = [values.get(ID.trackNumber), values.get(ID.trackType)].map((value) => unsigned(value));
    if (found.some(([other]) => other === number)) throw unfit();
    found.push([number ?? 0, type ?? 0]);
  }
  return found;
}

/**
 * Whether ffmpeg would find a frame, a track or an attached file in an element at that place. Other bytes that look like the
 * beginning of an element are those of a frame.
 */
async function holds(media: StoredMedia, place: number, isTrack: (track: number) => boolean): Promise<boolean> {
  let end = media.bytes;
  for (let [at, steps] = [place, 0]; at < end; steps += 1) {
    if (steps > MOST_STEPS) return true;
    const bytes = await partOf(media, at, HEADER_BYTES + BLOCK_BYTES);
    const element = tryElement(bytes);
    if (element === undefined) return false;
    const { id, start, size = media.bytes } = element;
    if (at === place) end = Math.min(end, at + start + size);
    else if (id === ID.track || id === attached) return true;
    else if (id === ID.block || id === ID.simpleBlock) return isTrack(numberAt(bytes, start) ?? 0);
    at += start + (at === place || id === group ? 0 : size);
  }
  return false;
}

function tryElement(bytes: Buffer) {
  try {
    return elementAt(bytes, 0);
  } catch {
    return undefined;
  }
}

/** ffmpeg takes the rate of the output for that of the sound. */
function requireUsualRates(audio: Buffer): void {
  for (const [id, value] of elementsIn(audio)) {
    if (id !== ID.outputRate || (value.length !== 4 && value.length !== 8)) continue;
    requireUsualRate(value.length === 8 ? value.readDoubleBE() : value.readFloatBE());
  }
}

function unsigned(value: Buffer = Buffer.alloc(0)): number {
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

function* elementsIn(bytes: Buffer): Generator<readonly [id: number, content: Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const { id, start, size = bytes.length } = elementAt(bytes, at);
    const end = at + start + size;
    if (end > bytes.length) throw unfit();
    yield [id, bytes.subarray(at + start, end)];
    at = end;
  }
}

/** Reads the header of an element (RFC 8794, 4 to 6); `size` is undefined if it is unknown. */
function elementAt(bytes: Buffer, at: number) {
  const idBytes = lengthAt(bytes, at);
  const sizeBytes = lengthAt(bytes, at + idBytes);
  const size = numberAt(bytes, at + idBytes);
  if (idBytes > 4 || size === undefined) throw unfit();
  const isUnknown = size >= 2 ** (7 * sizeBytes) - 1;
  return { id: bytes.readUIntBE(at, idBytes), start: idBytes + sizeBytes, size: isUnknown ? undefined : size };
}

/** How many bytes the number at `at` has (RFC 8794, 4). */
function lengthAt(bytes: Buffer, at: number): number {
  return Math.clz32((bytes[at] ?? 0) << 24) + 1;
}

function numberAt(bytes: Buffer, at: number): number | undefined {
  const length = lengthAt(bytes, at);
  const [first = 0, ...others] = bytes.subarray(at, at + length);
  if (length > 8 || others.length < length - 1) return undefined;
  return others.reduce((sum, byte) => sum * 256 + byte, first - 2 ** (8 - length));
}
