import { encode as encodeJpeg } from 'jpeg-js';
import { expect, it } from 'vitest';
import { graphicsOf } from '../src/callers/pictures/graphics.js';
import { kittyPicture } from '../src/callers/pictures/kitty.js';
import { previewSequence, shrink } from '../src/callers/pictures/preview.js';

it('draws a picture as kitty has it, in pieces of 4096 characters', () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_nothing, at) => at % 256);
  const pieces = kittyPicture(bytes).split('\u001b\\').slice(0, -1);
  expect(pieces.map((piece) => piece.slice(0, piece.indexOf(';')))).toEqual(['\u001b_Ga=T,f=100,m=1', '\u001b_Gm=0']);
  const sent = pieces.map((piece) => piece.slice(piece.indexOf(';') + 1)).join('');
  expect(new Uint8Array(Buffer.from(sent, 'base64'))).toEqual(bytes);
});

const JPEG = encodeJpeg({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 4).fill(0x55) }, 90).data;

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
});

it('draws nothing where tmux or screen stands between', () => {
  expect(graphicsOf({ TMUX: '/tmp/tmux-0/default,1,0' })).toBeUndefined();
});
