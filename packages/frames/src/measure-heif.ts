import type { CodedFrames } from './coded-frames.js';
import { ExifCheck } from './exif-check.js';
import { packetReader } from './packet-reader.js';

/** Types of items that contain neither a coded picture nor EXIF, but combine or describe other items. */
const NOT_CODED: ReadonlySet<string> = new Set(['grid', 'iovl', 'iden', 'tmap', 'mime', 'uri ']);

/** Beside each other. A photo has some hundred descriptions of its tiles. */
const MOST_BOXES = 1000;
/** Each picture is read with each of them. A photo has one for the picture, its thumbnail and its gain map. */
const MOST_CONFIGURATIONS = 10;

/**
 * Returns the largest sides and frame count among the coded pictures of an AVIF or HEIF, read from the coded data: ffmpeg
 * decodes the first picture even if another one is the primary one, and the sizes in the container can be wrong. Throws if the
 * file cannot be measured, and MediaFault for EXIF that no reader should get.
 */
export function measureHeif(content: Buffer): CodedFrames {
  const meta = only(content, 'meta').subarray(4);
  const properties = only(only(meta, 'iprp'), 'ipco');
  const configurations = boxesOf(properties).flatMap(([name, box]) => (name === 'hvcC' ? [box] : []));
  if (configurations.length > MOST_CONFIGURATIONS) throw new Error('it has too many decoder configurations');
  const hevcReaders = configurations.map((one) => packetReader('hevc', one));
  let all: CodedFrames = { width: 0, height: 0, frames: 0 };
  const exif = new ExifCheck();
  const places = itemPlaces(only(meta, 'iloc'));
  let left = content.length;
  for (const [id, type] of itemTypes(only(meta, 'iinf'))) {
    if (NOT_CODED.has(type)) continue;
    const item = bytesOf(places.get(id), { content, meta, most: left });
    left -= item.length;
    // The item begins with the distance to the EXIF.
    if (type === 'Exif') exif.check(item.subarray(4 + item.readUInt32BE(0)));
    else if (type === 'av01') all = most(all, packetReader('av1', undefined)(item));
    else if (type === 'hvc1' && hevcReaders.length > 0) for (const read of hevcReaders) all = most(all, read(item));
    else throw new Error(`it has a picture of the type ${type}`);
  }
  return all;
}

function most(one: CodedFrames, other: CodedFrames): CodedFrames {
  const [width, height] = [Math.max(one.width, other.width), Math.max(one.height, other.height)];
  return { width, height, frames: Math.max(one.frames, other.frames) };
}

/** Splits bytes into boxes (ISO/IEC 14496-12, 4.2). */
function boxesOf(bytes: Buffer): (readonly [name: string, content: Buffer])[] {
  const boxes: (readonly [string, Buffer])[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    if (boxes.length === MOST_BOXES) throw new Error('it has too many boxes');
    const stated = bytes.readUInt32BE(at);
    const start = at + (stated === 1 ? 16 : 8);
    const end = at + (stated === 1 ? Number(bytes.readBigUInt64BE(at + 8)) : stated === 0 ? bytes.length - at : stated);
    if (end < start || end > bytes.length) throw new Error('it has a box with a wrong size');
    boxes.push([bytes.toString('latin1', at + 4, at + 8), bytes.subarray(start, end)]);
    at = end;
  }
  return boxes;
}

/** Returns the content of the only box of this name. Throws if there are several, because decoders choose differently. */
function only(bytes: Buffer, name: string): Buffer {
  const [found, ...others] = boxesOf(bytes).filter(([one]) => one === name);
  if (found === undefined || others.length > 0) throw new Error(`it does not have exactly one ${name} box`);
  return found[1];
}

/** ISO/IEC 14496-12, 8.11.6. */
function itemTypes(infos: Buffer): (readonly [id: number, type: string])[] {
  const entries = boxesOf(infos.subarray(infos[0] === 0 ? 6 : 8));
  return entries.map(([name, info]) => {
    const idBytes = info[0] === 2 ? 2 : 4;
    if (name !== 'infe' || (info[0] ?? 0) < 2) throw new Error('it has items without a type');
    return [info.readUIntBE(4, idBytes), info.toString('latin1', 6 + idBytes, 10 + idBytes)];
  });
}

interface Place {
  /** 0: in the file; 1: in the box for small items (`idat`). */
  readonly method: number;
  readonly parts: readonly (readonly [start: number, length: number])[];
}

/** ISO/IEC 14496-12, 8.11.3. */
function itemPlaces(locations: Buffer): ReadonlyMap<number, Place> {
  let at = 6;
  const number = (bytes: number): number => {
    at += bytes;
    return bytes === 0
      ? 0
      : bytes === 8
        ? Number(locations.readBigUInt64BE(at - 8))
        : locations.readUIntBE(at - bytes, bytes);
  };
  const version = locations[0] ?? 0;
  const [sizes, more] = [locations.readUInt8(4), locations.readUInt8(5)];
  const idBytes = version < 2 ? 2 : 4;
  const places = new Map<number, Place>();
  for (let left = number(idBytes); left > 0; left -= 1) {
    const id = number(idBytes);
    const method = version === 0 ? 0 : number(2) & 15;
    number(2);
    const base = number(more >> 4);
    const parts = Array.from({ length: number(2) }, () => {
      if (version > 0) number(more & 15);
      return [base + number(sizes >> 4), number(sizes & 15)] as const;
    });
    if (places.has(id)) throw new Error('it has an item with two locations');
    places.set(id, { method, parts });
  }
  return places;
}

interface Source {
  readonly content: Buffer;
  readonly meta: Buffer;
  /** More bytes would mean that items overlap. */
  readonly most: number;
}

function bytesOf(place: Place | undefined, { content, meta, most }: Source): Buffer {
  if (place === undefined || place.method > 1) throw new Error('it has a picture without a location');
  const from = place.method === 0 ? content : only(meta, 'idat');
  // A length of 0 means up to the end.
  const parts = place.parts.map(([start, length]) => from.subarray(start, length === 0 ? undefined : start + length));
  if (parts.reduce((sum, { length }) => sum + length, 0) > most) throw new Error('it has items that overlap');
  return Buffer.concat(parts);
}
