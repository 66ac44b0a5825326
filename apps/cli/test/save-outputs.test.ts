import { describe, expect, it } from 'vitest';
import { fileName, formatOf, readTemplate } from '../src/callers/save-outputs.js';

const FILE = { id: '0197', index: 1, of: 2, seed: '18446744073709551615', line: 12, filename: '0197_1.png' };

describe('the names of files', () => {
  it.each([
    ['{id}', '0197-1.png'],
    ['{id}-{index}', '0197-1.png'],
    ['fox', 'fox-1.png'],
    ['fox.webp', 'fox-1.webp'],
    ['out/{line}/{seed}_{index}.jpg', 'out/12/18446744073709551615_1.jpg'],
    ['out/', 'out/0197-1.png'],
    ['a.b/{id}', 'a.b/0197-1.png'],
    ['{index}.{id}', '1.0197'],
  ])('%s is %s', (template, name) => {
    const many = template.includes('{line}') ? 'rows' : 'one job';
    expect(fileName(readTemplate(template, many), FILE)).toBe(name);
  });

  it('leave out what a job with one file, or without a seed, does not need', () => {
    expect(fileName('fox.png', { ...FILE, index: 0, of: 1 })).toBe('fox.png');
    expect(fileName('{seed}.png', { ...FILE, of: 1, seed: null })).toBe('none.png');
  });

  it('have only places that there are, and tell jobs apart where there are many', () => {
    expect(() => readTemplate('{name}.png', 'one job')).toThrow('There is no {name} for -o');
    expect(() => readTemplate('{line:03}.png', 'rows')).toThrow('There is no {line:03} for -o');
    expect(() => readTemplate('{line}.png', 'jobs')).toThrow('There is no {line} for -o here: there are {id}, {index}');
    expect(() => readTemplate('{index}.png', 'jobs')).toThrow('has to have {id} in it');
    expect(() => readTemplate('{index}.png', 'rows')).toThrow('{id} or {line}');
    expect(readTemplate('{line}.png', 'rows')).toBe('{line}.png');
    expect(readTemplate('out/', 'jobs')).toBe('out/{id}-{index}');
  });

  it('do not lead out of the folder that they name, whatever the API says', () => {
    for (const id of ['../0197', '/etc/0197', '..', 'a\\b', 'a b', '']) {
      expect(() => fileName('out/{id}.png', { ...FILE, id })).toThrow('cannot be part of a file name');
    }
    expect(() => fileName('{seed}', { ...FILE, seed: '../7' })).toThrow('leave it out of -o');
    expect(fileName('../fox', { ...FILE, of: 1, filename: 'a.png\n/etc' })).toBe('../fox');
  });

  it('say in which form a picture is wanted', () => {
    expect(formatOf('fox.webp', 'image/png')).toBe('webp');
    expect(formatOf('fox.JPG', 'image/jpeg')).toBeUndefined();
    expect(formatOf('fox.png', 'image/png')).toBeUndefined();
    expect(formatOf('fox.png', 'video/mp4')).toBeUndefined();
    expect(formatOf('fox.bin', 'image/png')).toBeUndefined();
  });
});
