import { PICTURE } from '@comfy-fleet/testing';
import { encode } from 'fast-png';
import { encode as encodeJpeg } from 'jpeg-js';
import { expect, it } from 'vitest';
import { graphicsOf } from '../src/callers/pictures/graphics.js';
import { kittyPicture } from '../src/callers/pictures/kitty.js';
import { pixelsOf, shrink } from '../src/callers/pictures/pixels.js';
import { previewSequence } from '../src/callers/pictures/preview.js';

it('draws a picture as kitty has it, in pieces of 4096 characters', () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_nothing, at) => at % 256);
  const pieces = kittyPicture(bytes).split('\u001b\\').slice(0, -1);
  expect(pieces.map((piece) => piece.slice(0, piece.indexOf(';')))).toEqual(['\u001b_Ga=T,f=100,m=1', '\u001b_Gm=0']);
  const sent = pieces.map((piece) => piece.slice(piece.indexOf(';') + 1)).join('');
  expect(new Uint8Array(Buffer.from(sent, 'base64'))).toEqual(bytes);
});

const SIDE = 64;
const filled = (channels: number) => new Uint8Array(SIDE * SIDE * channels).fill(0x55);
const JPEG = encodeJpeg({ width: SIDE, height: SIDE, data: filled(4) }, 90).data;

it.each([
  ['with a palette', new Uint8Array(Buffer.from(PICTURE, 'base64'))],
  ['in RGB', encode({ width: SIDE, height: SIDE, channels: 3, data: filled(3) })],
  [
    'grey, of 16 bits',
    encode({ width: SIDE, height: SIDE, channels: 1, depth: 16, data: new Uint16Array(SIDE * SIDE) }),
  ],
  ['as JPEG', JPEG],
])('reads a picture %s', (_name, bytes) => {
  const { width, height, data } = pixelsOf(bytes);
  expect([width, height, data.length]).toEqual([SIDE, SIDE, SIDE * SIDE * 4]);
  expect([...data.filter((_value, at) => at % 4 === 3)].every((alpha) => alpha === 255)).toBe(true);
});

it('makes a picture smaller in its proportions, never larger', () => {
  const pixels = { width: 4, height: 2, data: Uint8Array.from({ length: 32 }, (_nothing, at) => Math.floor(at / 4)) };
  expect(shrink(pixels, { width: 2, height: 9 })).toEqual({
    width: 2,
    height: 1,
    data: Uint8Array.from([0, 0, 0, 0, 2, 2, 2, 2]),
  });
  expect(shrink(pixels, { width: 99, height: 99 })).toEqual(pixels);
});

it('draws a preview in the way of each terminal, within its frame', async () => {
  const frame = { columns: 40, rows: 3 };
  expect(await previewSequence('kitty', JPEG, frame)).toContain('\u001b_Ga=T,f=100,i=1907,p=1,r=3,C=1,q=2,m=');
  expect(await previewSequence('kitty', JPEG, { columns: 2, rows: 9 })).toContain(',c=2,');
  expect(await previewSequence('iterm2', JPEG, frame)).toMatch(/]1337;File=.*width=40;height=3.*:/);
  expect(await previewSequence('sixel', JPEG, frame)).toContain('q"1;1;42;42#');
});

it('draws nothing where tmux or screen stands between', () => {
  expect(graphicsOf({ TMUX: '/tmp/tmux-0/default,1,0' })).toBeUndefined();
});
