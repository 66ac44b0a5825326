import { describe, expect, it } from 'vitest';
import { fileName, formatOf, readTemplate } from '../src/callers/save-outputs.js';

const FILE = { id: '0197', index: 1, of: 2, seed: '18446744073709551615', line: 12, filename: '0197_1.png' };

describe('file names', () => {
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

  it('have no index for a job with one file, and none for a missing seed', () => {
    expect(fileName('fox.png', { ...FILE, index: 0, of: 1 })).toBe('fox.png');
    expect(fileName('{seed}.png', { ...FILE, of: 1, seed: null })).toBe('none.png');
  });

  it('may contain only known placeholders, and must name many jobs apart', () => {
    expect(() => readTemplate('{name}.png', 'one job')).toThrow('-o cannot contain {name}');
    expect(() => readTemplate('{line:03}.png', 'rows')).toThrow('-o cannot contain {line:03}');
    expect(() => readTemplate('{line}.png', 'jobs')).toThrow('-o cannot contain {line} here, only {id}, {index}');
    expect(() => readTemplate('{index}.png', 'jobs')).toThrow('must contain {id}, so');
    expect(() => readTemplate('{index}.png', 'rows')).toThrow('{id} or {line}');
    expect(readTemplate('{line}.png', 'rows')).toBe('{line}.png');
    expect(readTemplate('out/', 'jobs')).toBe('out/{id}-{index}');
  });

  it('never lead out of their folder, whatever the API returns', () => {
    for (const id of ['../0197', '/etc/0197', '..', 'a\\b', 'a b', '']) {
      expect(() => fileName('out/{id}.png', { ...FILE, id })).toThrow('cannot be part of a file name');
    }
    expect(() => fileName('{seed}', { ...FILE, seed: '../7' })).toThrow('remove {seed} from -o');
    expect(fileName('../fox', { ...FILE, of: 1, filename: 'a.png\n/etc' })).toBe('../fox');
  });

  it('determine the format to request', () => {
    expect(formatOf('fox.webp', 'image/png')).toBe('webp');
    expect(formatOf('fox.JPG', 'image/jpeg')).toBeUndefined();
    expect(formatOf('fox.png', 'image/png')).toBeUndefined();
    expect(formatOf('fox.png', 'video/mp4')).toBeUndefined();
    expect(formatOf('fox.bin', 'image/png')).toBeUndefined();
  });
});
