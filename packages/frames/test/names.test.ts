import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { frameName, inputDigest, inputName, isFrameName, isInputName, jobOfPicture } from '../src/index.js';

describe('file names in the store', () => {
  it('isFrameName accepts names that frameName returns', () => {
    const id = newId();
    expect(frameName(id, 3)).toBe(`${id}_3.png`);
    expect(frameName(id, 3, 'webp')).toBe(`${id}_3.webp`);
    for (const type of ['png', 'jpeg', 'webp', 'gif'] as const) expect(isFrameName(frameName(id, 3, type))).toBe(true);
  });

  it('isInputName accepts names that inputName returns', () => {
    expect(isInputName(inputName('a'.repeat(64)))).toBe(true);
    expect(isInputName(inputName('a'.repeat(64), 'safetensors'))).toBe(false);
    expect(isInputName(inputName('a'.repeat(64), 'mp4'))).toBe(true);
    expect(isInputName(inputName('A'.repeat(64)))).toBe(false);
    expect(isInputName(`${'a'.repeat(63)}.png`)).toBe(false);
  });

  it('inputDigest returns the digest that inputName got', () => {
    expect(inputDigest(inputName('a'.repeat(64), 'mp4'))).toBe('a'.repeat(64));
  });

  it.each(['_1.png', '_12.png', '_1_w512.webp', '_1.webp'])(
    'jobOfPicture returns the job of a name that ends in %j',
    (end) => {
      const id = newId();
      expect(jobOfPicture(`${id}${end}`)).toBe(id);
    },
  );

  it.each(['_0.png', '_1_w512', '_1-2.png', '.png', '_1.png.tmp'])(
    'jobOfPicture returns undefined for a name that ends in %j',
    (end) => {
      expect(jobOfPicture(`${newId()}${end}`)).toBeUndefined();
    },
  );

  it.each([inputName('a'.repeat(64)), `${'x'.repeat(36)}_1.png`, 'notes.txt'])(
    'jobOfPicture returns undefined for %j',
    (name) => {
      expect(jobOfPicture(name)).toBeUndefined();
    },
  );

  it.each([
    ['', 'nothing'],
    ['00000000-0000-7000-8000-000000000000_0.png', 'a number below 1'],
    ['00000000-0000-7000-8000-000000000000_01.png', 'a leading zero'],
    ['00000000-0000-7000-8000-000000000000.png', 'no number'],
    ['00000000-0000-7000-8000-00000000000A_1.png', 'capitals'],
    ['00000000-0000-7000-8000-000000000000_1.png\n', 'a line break at the end'],
    ['../00000000-0000-7000-8000-000000000000_1.png', 'a parent folder'],
    ['00000000-0000-7000-8000-000000000000_1.jpg', 'another extension'],
  ])('isFrameName rejects %j (%s)', (name) => {
    expect(isFrameName(name)).toBe(false);
  });
});
