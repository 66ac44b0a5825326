import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { frameName, inputName, isFrameName, isInputName } from '../src/index.js';

describe('the names of pictures', () => {
  it('recognises what frameName makes', () => {
    const id = newId();
    expect(frameName(id, 3)).toBe(`${id}_3.png`);
    expect(isFrameName(frameName(id, 3))).toBe(true);
  });

  it('recognises what inputName makes', () => {
    expect(isInputName(inputName('a'.repeat(64)))).toBe(true);
    expect(isInputName(inputName('A'.repeat(64)))).toBe(false);
    expect(isInputName(`${'a'.repeat(63)}.png`)).toBe(false);
  });

  it.each([
    ['', 'nothing'],
    ['00000000-0000-7000-8000-000000000000_0.png', 'a picture before the first'],
    ['00000000-0000-7000-8000-000000000000_01.png', 'a second spelling'],
    ['00000000-0000-7000-8000-000000000000.png', 'no number'],
    ['00000000-0000-7000-8000-00000000000A_1.png', 'capitals'],
    ['00000000-0000-7000-8000-000000000000_1.png\n', 'a line break at the end'],
    ['../00000000-0000-7000-8000-000000000000_1.png', 'a way out'],
    ['00000000-0000-7000-8000-000000000000_1.jpg', 'another extension'],
  ])('refuses %j (%s) as a frame', (name) => {
    expect(isFrameName(name)).toBe(false);
  });
});
