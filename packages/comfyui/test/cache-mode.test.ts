import { expect, it } from 'vitest';
import { readCacheMode } from '../src/cache-mode.js';

const GIB = 1024 ** 3;

it.each([
  ['', { kind: 'last' }],
  ['--cache-classic', { kind: 'last' }],
  ['--high-ram', { kind: 'last' }],
  ['--cache-none', { kind: 'none' }],
  ['--cache-lru 64', { kind: 'lru', nodes: 64 }],
  ['--cache-lru=64', { kind: 'lru', nodes: 64 }],
  ['--cache-lru 0', { kind: 'last' }],
  ['--cache-lru 50 --cache-lru 64', { kind: 'lru', nodes: 64 }],
  ['--cache-ram', { kind: 'last' }],
  ['--cache-ram 4', { kind: 'last' }],
  ['--cache-ram 4 4', { kind: 'ram', availableBytes: 4 * GIB }],
  ['--cache-ram 4 0.5 --fast', { kind: 'ram', availableBytes: GIB / 2 }],
])('reads which results ComfyUI keeps if it was started with "%s"', (options, mode) => {
  const words = options === '' ? [] : options.split(' ');
  expect(readCacheMode(['main.py', '--listen', '0.0.0.0', ...words, '--lowvram'])).toEqual(mode);
});
