import { describe, expect, it } from 'vitest';
import { plainText } from '../src/plain-text.js';

describe('plainText', () => {
  it.each([
    ["cannot open '/home/me/Comfy UI/input/a b.png'", "cannot open 'a b.png'"],
    ['no such file: /srv/comfy/models/x.safetensors!', 'no such file: x.safetensors!'],
    ['no such file: C:\\Comfy\\models\\x.bin', 'no such file: x.bin'],
    ['see https://example.org/a/b', 'see https://example.org/a/b'],
    ['sub/one/up.png is 3/4 of a/b', 'sub/one/up.png is 3/4 of a/b'],
    ['two\n  lines\n', 'two lines'],
  ])('%j becomes %j', (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });
});
