import { MediaFault } from './hidden-media.js';
import { partOf, type StoredMedia } from './media-facts.js';

// ffmpeg applies a box to the last track wherever it finds it, mediabunny only at its place. So a file in which a box is
// repeated or at another place could show ffmpeg other frames than those that were measured.

/** Each is read from the store. A recorded video has two for each fragment. */
const MOST_ELEMENTS = 30_000;

function requireFewElements(count: number): void {
  if (count > MOST_ELEMENTS) throw new Error('it has too many elements');
}

export interface Box {
  readonly name: string;
  /** Where its header begins. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** The boxes between two places of a file, without those in them. */
export async function* boxesOf(media: StoredMedia, from = 0, to = media.bytes): AsyncGenerator<Box> {
  for (let [at, count] = [from, 1]; at + 8 <= to; count += 1) {
    media.signal.throwIfAborted();
    requireFewElements(count);
    const header = await partOf(media, at, 16);
    const stated = header.readUInt32BE(0);
    const size = stated === 1 ? Number(header.readBigUInt64BE(8)) : stated === 0 ? to - at : stated;
    if (size < 8) throw new Error('it has a box that is too small');
    const name = header.toString('latin1', 4, 8);
    yield { name, at, start: at + (stated === 1 ? 16 : 8), end: Math.min(at + size, to) };
    at += size;
  }
}

/** A track may have one box of each row. */
const SINGLE: readonly (readonly string[])[] = [['stsd'], ['stts'], ['stsz'], ['stsc'], ['stco', 'co64']];
/** What decoders are set up with. ffmpeg takes even the codec from an `esds`, whatever the track states. */
const SETUPS = ['avcC', 'hvcC', 'vvcC', 'evcC', 'av1C', 'esds', 'dfLa', 'dOps', 'pcmC', 'glbl', 'strf', 'dvc1', 'wfex'];
const USUAL_SETUPS: Readonly<Record<string, RegExp>> = { vide: /avcC|hvcC|av1C/, soun: /esds|dfLa|dOps|pcmC/ };
/** Compressed and compact indexes, and one that leads into the media data. */
const REFUSED = ['cmov', 'stz2', 'sidx'];
const NAMES = [...SINGLE.flat(), ...SETUPS, ...REFUSED, 'moov', 'trak', 'hdlr', 'moof', 'traf', 'tfhd', 'trun'];

/** Tracks of time codes, subtitles and what cameras record. ffmpeg may take others for videos, whatever they state. */
const DATA = /^(tmcd|text|tx3g|wvtt|stpp|c608|c708|mp4s|mebx|mett|metx|urim|rtp |rtmd|camm|gpmd|fdsc|CTMD|djmd|dbgi)$/;
const PCM = /^(twos|sowt|raw |in24|in32|fl32|fl64|lpcm|ipcm|fpcm|ulaw|alaw)$/i;
const MOST_TRACKS = 100;
/** A track may have two, and other boxes have some. */
const MOST_HANDLERS = 3 * MOST_TRACKS;
/** A table of the index has at most one entry for each packet. An hour of sound has 180,000 packets. */
export const MOST_ENTRIES = 200_000;

/** Where the names of boxes are in a file, at any depth. */
export class Places {
  readonly #places = new Map(NAMES.map((name) => [name, new Set<number>()]));
  /** The flags and the number of packets of each run in a fragment. */
  readonly #runs = new Map<number, { readonly flags: number; readonly packets: number }>();

  /** Adds the names in a part of the file that begins at `from`. Parts may overlap. */
  add(part: Buffer, from: number): void {
    for (const [name, places] of this.#places) {
      for (let at = part.indexOf(name); at !== -1; at = part.indexOf(name, at + 1)) {
        places.add(from + at);
        if (name !== 'trun' || at + 12 > part.length) continue;
        this.#runs.set(from + at, { flags: part.readUInt32BE(at + 4), packets: part.readUInt32BE(at + 8) });
      }
      requireFewElements(places.size);
    }
  }

  /** Leaves out the names in a box that ffmpeg does not enter. */
  forget({ at, end }: Box): void {
    for (const places of this.#places.values())
      for (const place of places) if (at < place && place < end) places.delete(place);
  }

  /** In the order of the file. */
  of(...names: readonly string[]): number[] {
    return names.flatMap((name) => [...(this.#places.get(name) ?? [])]).sort((one, other) => one - other);
  }

  within({ at, end }: Box, ...names: readonly string[]): number[] {
    return this.of(...names).filter((place) => at < place && place < end);
  }

  /** Throws if boxes of that name are at other places than these. */
  require(name: string, places: readonly number[]): void {
    const found = new Set(this.of(name));
    if (found.size !== places.length || places.some((place) => !found.has(place))) throw misplaced(name);
  }

  /** Throws unless all boxes of these names are in `boxes`, and at most `most` in each. */
  requireIn(boxes: readonly Box[], names: readonly string[], most = MOST_ELEMENTS): void {
    let [n, count] = [0, 0];
    for (const place of this.of(...names)) {
      for (; (boxes[n]?.end ?? place + 1) <= place; n += 1) count = 0;
      count += 1;
      if ((boxes[n]?.at ?? place) >= place || count > most) throw misplaced(names.join('/'));
    }
  }

  /** How many packets the runs have. */
  packets(): number {
    let sum = 0;
    for (const place of this.of('trun')) {
      const { flags = 0, packets = 0 } = this.#runs.get(place) ?? {};
      // Without an offset, ffmpeg and mediabunny read the packets from different places.
      if ((flags & 1) === 0) throw contradictory();
      sum += packets;
    }
    return sum;
  }
}

export const overlapping = () => new MediaFault('has packets that overlap');
const misplaced = (name: string) => new Error(`it has a box ${name} at an unusual place`);
const unmeasurable = () => new Error('it has tracks that cannot be measured');
const contradictory = () => new Error('its index contradicts itself');

/**
 * Throws unless an MP4 has `tracks` videos and sounds, and ffmpeg and mediabunny read the same frames of them. `top`: the
 * outermost boxes of the file. Returns where the first video begins, and how many packets there are in fragments.
 */
export async function checkTracks(
  media: StoredMedia,
  { top, places, tracks }: { readonly top: readonly Box[]; readonly places: Places; readonly tracks: number },
): Promise<{ readonly video: number; readonly packets: number }> {
  const moovs = top.filter(({ name }) => name === 'moov');
  const moofs = top.filter(({ name }) => name === 'moof');
  const traks: Box[] = [];
  for (const { start, end } of moovs)
    for await (const box of boxesOf(media, start, end)) {
      if (box.name === 'trak') traks.push(box);
      for await (const item of metadataIn(media, box)) places.forget(item);
    }
  if (moovs.length > 1 || traks.length > MOST_TRACKS) throw unmeasurable();
  for (const name of REFUSED) places.require(name, []);
  places.require('moov', namesOf(moovs));
  places.require('trak', namesOf(traks));
  places.require('moof', namesOf(moofs));
  for (const names of [...SINGLE, SETUPS]) places.requireIn(traks, names, 1);
  places.requireIn(moofs, ['traf', 'trun']);
  places.require(
    'tfhd',
    places.of('traf').map((place) => place + 8),
  );

  const handlers: { readonly type: string; readonly place: number }[] = [];
  const headers = places.of('hdlr');
  if (headers.length > MOST_HANDLERS) throw unmeasurable();
  for (const place of headers) {
    const type = await textAt(media, place + 12);
    if (/^(vide|soun|m1a )$/.test(type)) handlers.push({ type, place });
  }
  if (handlers.length !== tracks) throw unmeasurable();
  let bytes = 0;
  for (const trak of traks) {
    const own = handlers.filter(({ place }) => trak.at < place && place < trak.end);
    if (own.length > 1) throw unmeasurable();
    bytes += await checkTrack(media, { trak, places, type: own[0]?.type, isFragmented: moofs.length > 0 });
  }
  // A copy of a video has all its tracks, so samples that overlap would make it larger than the file.
  if (bytes > media.bytes) throw overlapping();
  const video = Math.min(...handlers.filter(({ type }) => type === 'vide').map(({ place }) => place));
  return { video, packets: places.packets() };
}

/** The texts and pictures of a box: a text may have the name of any box in it, for example ComfyUI's with the workflow. */
async function* metadataIn(media: StoredMedia, { name, start, end }: Box): AsyncGenerator<Box> {
  if (name === 'meta') {
    const header = (await partOf(media, start, 12)).toString('latin1');
    // ISO 14496-12 has a version before the first box, QuickTime has none.
    const first = [4, 8].find((at) => header.indexOf('hdlr') === at);
    if (first === undefined) return;
    for await (const box of boxesOf(media, start + first - 4, end)) yield* metadataIn(media, box);
  } else if (name === 'udta' || name === 'ilst') {
    for await (const box of boxesOf(media, start, end)) {
      if (/^(\0|\xa9|covr|desc|ldes|----)/.test(box.name)) yield box;
      else if (name === 'udta' && box.name === 'meta') yield* metadataIn(media, box);
    }
  }
}

interface Track {
  readonly trak: Box;
  readonly places: Places;
  /** Undefined for a track without video and sound. */
  readonly type: string | undefined;
  readonly isFragmented: boolean;
}

/** Returns how many bytes its samples have. */
async function checkTrack(media: StoredMedia, { trak, places, type, isFragmented }: Track): Promise<number> {
  const placeOf = (...names: readonly string[]) => places.within(trak, ...names)[0];
  const description = placeOf('stsd');
  const format = description === undefined ? '' : await textAt(media, description + 16);
  const sizes = placeOf('stsz');
  const samples = sizes === undefined ? 0 : await numberAt(media, sizes + 12);
  // ffmpeg keeps an entry for each sample, but for those of PCM.
  if (samples > MOST_ENTRIES && !PCM.test(format)) throw new Error('its index is too long');
  const bytes = sizes === undefined ? 0 : await bytesOf(media, sizes, samples);
  if (type === undefined) {
    if (description !== undefined && !DATA.test(format)) throw unmeasurable();
    return bytes;
  }
  for (const name of SETUPS) {
    if (placeOf(name) === undefined) continue;
    if (!USUAL_SETUPS[type]?.test(name) || (name === 'esds' && format !== 'mp4a')) throw misplaced(name);
  }
  if (description === undefined || /^enc/i.test(format)) throw unmeasurable();
  const times = await tableAt(media, placeOf('stts'), 2);
  const chunks = await tableAt(media, placeOf('stsc'), 3);
  if (isFragmented && samples > 0) throw contradictory();
  // mediabunny ends with the times, ffmpeg with the sizes.
  if (samples > times.reduce((sum, [count = 0]) => sum + count, 0)) throw contradictory();
  const isOrdered = chunks.every(([first = 0, count, entry], n) => {
    const [before = 0] = chunks[n - 1] ?? [];
    return (n === 0 ? first === 1 : first > before) && count !== 0 && entry === 1;
  });
  if (!isOrdered) throw contradictory();
  if (type === 'vide' || samples === 0) return bytes;
  // ffmpeg reads a sound whose samples last one tick by chunks, mediabunny one of such a format.
  const isByChunks = times.length === 1 && times[0]?.[1] === 1;
  if (isByChunks !== PCM.test(format)) throw contradictory();
  // QuickTime may state other sizes of what ffmpeg reads at a time.
  const version = (await numberAt(media, description + 28)) >>> 16;
  const samplesOfPacket = version === 0 ? 1 : await numberAt(media, description + (version === 1 ? 48 : 80));
  if (isByChunks && samplesOfPacket > 1) throw contradictory();
  return bytes;
}

/** How many bytes the samples of a track have. `sizes`: where the name of their table is. */
async function bytesOf(media: StoredMedia, sizes: number, samples: number): Promise<number> {
  const each = await numberAt(media, sizes + 8);
  if (each > 0 || samples > MOST_ENTRIES) return each * samples;
  const table = await partOf(media, sizes + 16, samples * 4);
  let sum = 0;
  for (let at = 0; at + 4 <= table.length; at += 4) sum += table.readUInt32BE(at);
  return sum;
}

function namesOf(boxes: readonly Box[]): number[] {
  return boxes.map(({ at }) => at + 4);
}

async function textAt(media: StoredMedia, place: number): Promise<string> {
  return (await partOf(media, place, 4)).toString('latin1');
}

async function numberAt(media: StoredMedia, place: number): Promise<number> {
  return (await partOf(media, place, 4)).readUInt32BE(0);
}

/** Reads a table with `columns` numbers in each row; `place`: where its name is. */
async function tableAt(media: StoredMedia, place: number | undefined, columns: number): Promise<number[][]> {
  const count = place === undefined ? 0 : await numberAt(media, place + 8);
  if (place === undefined) return [];
  if (count > MOST_ENTRIES) throw contradictory();
  const bytes = await partOf(media, place + 12, count * columns * 4);
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: columns }, (_, column) => bytes.readUInt32BE((row * columns + column) * 4)),
  );
}
