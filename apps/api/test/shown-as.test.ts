import { parse } from 'content-disposition';
import { expect, it } from 'vitest';
import { shownAs } from '../src/files/serve-file.js';

it.each([
  ['plain.png', 'filename="plain.png"'],
  ['two words.png', 'filename="two words.png"'],
  ['a "b".png', 'filename="a \\"b\\".png"'],
  ['"', 'filename="\\""'],
  ['a\\"; filename="b.png', 'filename="a\\\\\\"; filename=\\"b.png"'],
  ['a filename=b.html', 'filename="a filename=b.html"'],
  ['a; filename=b.html', 'filename="a; filename=b.html"'],
])('quotes the name %s so that clients read the same one', (name, written) => {
  const { disposition } = shownAs('x_1.png', name);
  expect(disposition).toBe(`inline; ${written}`);
  expect(parse(disposition).parameters.filename).toBe(name);
});

it('adds an encoded name when a name has characters beyond ASCII', () => {
  const { disposition } = shownAs('x_1.html', 'über "uns".html');
  expect(disposition).toMatch(/^attachment; filename="[^;]*"; filename\*=UTF-8''%C3%BCber%20%22uns%22\.html$/);
});
