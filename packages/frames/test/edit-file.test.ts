import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { PICTURE } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { type Edit, editFile } from '../src/index.js';

const OURS = 'SECRET-NAME';
const THEIRS = 'caller-name';

/** Holds back the end of the data, which can be the beginning of the name. */
const edit: Edit = (data, isLast) => {
  const text = data.toString('latin1').replaceAll(OURS, THEIRS);
  const kept = isLast ? 0 : Math.min(text.length, OURS.length);
  const parts = [text.slice(0, text.length - kept), text.slice(text.length - kept)];
  const [done, rest] = parts.map((part) => Buffer.from(part, 'latin1')) as [Buffer, Buffer];
  return { done, rest };
};

async function* inPieces(file: Buffer, bytes: number) {
  for (let at = 0; at < file.length; at += bytes) yield file.subarray(at, at + bytes);
}

const edited = (file: Buffer, bytes = 1000) => buffer(editFile(inPieces(file, bytes), edit));

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A PNG with texts where ComfyUI writes them: before and after the pixels. */
function aPng(text: string): Buffer {
  const png = Buffer.from(PICTURE, 'base64');
  const [head, end] = [33, png.length - 12];
  return Buffer.concat([
    png.subarray(0, head),
    chunk('tEXt', Buffer.from(`prompt\0${text}`)),
    png.subarray(head, end),
    chunk('comf', Buffer.from(`prompt\0${text}`)),
    png.subarray(end),
  ]);
}

it.each([1, 7, 1000])('corrects the checksums of texts in a PNG that arrives in pieces of %i bytes', async (bytes) => {
  expect(await edited(aPng(`a ${OURS} b`), bytes)).toEqual(aPng(`a ${THEIRS} b`));
});

it('does not change a PNG with damaged pixels', async () => {
  const png = aPng('nothing');
  const at = png.indexOf('IDAT') + 10;
  png.writeUInt8(png.readUInt8(at) ^ 0xff, at);
  expect(await edited(png)).toEqual(png);
});

it('passes on data after the end of a PNG in the pieces in which it arrives', async () => {
  const png = Buffer.concat([aPng('nothing'), Buffer.alloc(1_000_000)]);
  const pieces = [];
  for await (const piece of editFile(inPieces(png, 100_000), edit)) pieces.push(piece);
  expect(Buffer.concat(pieces)).toEqual(png);
  expect(pieces.length).toBeLessThan(100);
});

it.each([0, 3, 8, 20, 45, 2000])('passes on a PNG that ends after %i bytes', async (bytes) => {
  const png = aPng('nothing').subarray(0, bytes);
  expect(await edited(png)).toEqual(png);
});

/** An Ogg page. Computes the checksum bit by bit, as libogg does. */
function page(position: bigint, segments: readonly number[], body: Buffer): Buffer {
  const head = Buffer.alloc(27 + segments.length);
  head.write('OggS');
  head.writeBigInt64LE(position, 6);
  head.writeUInt8(segments.length, 26);
  for (const [n, bytes] of segments.entries()) head.writeUInt8(bytes, 27 + n);
  const whole = Buffer.concat([head, body]);
  let sum = 0;
  for (const byte of whole) {
    sum ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x80000000 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  }
  whole.writeUInt32LE(sum >>> 0, 22);
  return whole;
}

/** An Opus file with a comment that spans two pages, with the name across their boundary. */
function anOpus(name: string): Buffer {
  const comment = Buffer.from(`OpusTags${'.'.repeat(255 * 2 - 12)}${name}${'.'.repeat(100)}`);
  return Buffer.concat([
    page(0n, [19], Buffer.from(`OpusHead${'\x01'.repeat(11)}`)),
    page(-1n, [255, 255], comment.subarray(0, 510)),
    page(0n, [comment.length - 510], comment.subarray(510)),
    page(960n, [200], Buffer.alloc(200, 7)),
  ]);
}

it.each([1, 100, 10_000])('edits a comment of an Ogg file across its pages, in pieces of %i bytes', async (bytes) => {
  expect(await edited(anOpus(OURS), bytes)).toEqual(anOpus(THEIRS));
});

it('passes on an Ogg file that ends within its first pages', async () => {
  for (const bytes of [4, 30, 60, 400]) expect(await edited(anOpus(THEIRS).subarray(0, bytes))).toHaveLength(bytes);
});

it.each([
  { whose: 'empty', segments: [], most: 64 * 1024 },
  { whose: 'full', segments: Array<number>(255).fill(255), most: 5 * 1024 * 1024 },
])('collects no more of an Ogg file of $whose pages than its comments may have', async ({ segments, most }) => {
  const pages = page(0n, segments, Buffer.alloc(255 * segments.length));
  let bytes = 0;
  async function* source() {
    for (;;) {
      bytes += pages.length;
      yield pages;
    }
  }
  await editFile(source(), edit).next();
  expect(bytes).toBeLessThan(most);
});

it.each([1, 16, 4096])('edits any other file in pieces of %i bytes', async (bytes) => {
  const text = (name: string) => Buffer.from(`RIFF…${'x'.repeat(3000)}${name}${name}\0`);
  expect(await edited(text(OURS), bytes)).toEqual(text(THEIRS));
  expect(await edited(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
});
