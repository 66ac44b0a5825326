import { PICTURE } from '@comfy-fleet/testing';
import { decode, encode } from 'fast-png';
import { expect, it } from 'vitest';
import { kittyPicture } from '../src/callers/pictures/kitty.js';
import { sixelPicture } from '../src/callers/pictures/sixel-picture.js';

it('draws a picture as kitty has it, in pieces of 4096 characters', () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_nothing, at) => at % 256);
  const pieces = kittyPicture(bytes).split('\u001b\\').slice(0, -1);
  expect(pieces.map((piece) => piece.slice(0, piece.indexOf(';')))).toEqual(['\u001b_Ga=T,f=100,m=1', '\u001b_Gm=0']);
  const sent = pieces.map((piece) => piece.slice(piece.indexOf(';') + 1)).join('');
  expect(new Uint8Array(Buffer.from(sent, 'base64'))).toEqual(bytes);
});

it.each([
  ['with a palette', new Uint8Array(Buffer.from(PICTURE, 'base64'))],
  ['in RGB', encode({ width: 64, height: 64, channels: 3, data: new Uint8Array(64 * 64 * 3).fill(0x55) })],
  ['grey, of 16 bits', encode({ width: 64, height: 64, channels: 1, depth: 16, data: new Uint16Array(64 * 64) })],
])('draws a picture %s as Sixel', (_name, png) => {
  expect(decode(png).width).toBe(64);
  expect(sixelPicture(png)).toContain('q"1;1;64;64#');
});
