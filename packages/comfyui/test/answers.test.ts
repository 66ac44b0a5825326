import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../src/json.js';
import { readObjectInfo } from '../src/object-info.js';
import { readQueue } from '../src/queue.js';
import { readSystemStats } from '../src/system-stats.js';
import { fixture } from './support/fixtures.js';

describe('parseAnswer', () => {
  it('reads bare NaN and Infinity as null, but not inside strings', () => {
    expect(parseAnswer('{"number": NaN, "b": [-Infinity, 1], "text": "NaN \\" Infinity"}')).toEqual({
      number: null,
      b: [null, 1],
      text: 'NaN " Infinity',
    });
  });

  it('throws for what is not JSON', () => {
    expect(() => parseAnswer('<html>NaN</html>')).toThrow(SyntaxError);
  });
});

describe('readQueue', () => {
  const entry = (number: unknown, id: unknown) => [number, id, {}, { client_id: 'c' }, ['7']];

  it('returns waiting prompts in the order in which they run, though ComfyUI lists them in heap order', () => {
    const numbers = [-145, -144, 0.0, 143, -5.5, 142, 1e9, 146, 147, 3.0];
    const queue = readQueue({
      queue_running: [entry(7, 'r')],
      queue_pending: numbers.map((number) => entry(number, `p${number}`)),
    });
    expect(queue?.running).toEqual(['r']);
    expect(queue?.pending).toEqual([-145, -144, -5.5, 0, 3, 142, 143, 146, 147, 1e9].map((number) => `p${number}`));
  });

  it('puts a number that was NaN last', () => {
    expect(readQueue({ queue_running: [], queue_pending: [entry(null, 'x'), entry(1, 'a')] })?.pending).toEqual([
      'a',
      'x',
    ]);
  });

  it.each([[{}], [{ queue_running: [] }], [{ queue_running: [], queue_pending: [[1]] }], [[]]])(
    'refuses %j',
    (value) => {
      expect(readQueue(value)).toBeUndefined();
    },
  );
});

describe('readObjectInfo', () => {
  const info = readObjectInfo(fixture('object-info.json'));

  it('reads options from a list', () => {
    expect(info?.choices('CheckpointLoaderSimple', 'ckpt_name')).toEqual([
      'sd_xl_base_1.0.safetensors',
      'v1-5-pruned-emaonly.safetensors',
    ]);
  });

  it('reads options from a COMBO', () => {
    expect(info?.choices('KSamplerSelect', 'sampler_name')).toContain('euler_ancestral');
  });

  it.each([
    ['KSampler', 'steps'],
    ['KSampler', 'nope'],
    ['Nope', 'x'],
    ['toString', 'x'],
  ])('has no options for %s.%s', (className, input) => {
    expect(info?.choices(className, input)).toBeUndefined();
  });

  it('has the classes', () => {
    expect([...(info?.classes ?? [])].sort()).toEqual([
      'CheckpointLoaderSimple',
      'EmptyImage',
      'KSampler',
      'KSamplerSelect',
    ]);
  });

  it.each([[null], [[]], [{ KSampler: 'x' }]])('refuses %j', (value) => {
    expect(readObjectInfo(value)).toBeUndefined();
  });
});

describe('readSystemStats', () => {
  it('reads the answers of both versions', () => {
    const torch = { torch_vram_total: 8, torch_vram_free: 2 };
    const device = { name: 'cuda:0', type: 'cuda', index: 0, vram_total: 24, vram_free: 20, ...torch };
    const argv = ['main.py', '--cache-lru', '64'];
    const system = { ram_total: 64, ram_free: 32, comfyui_version: '0.3.64', pytorch_version: '2.6.0', argv };
    expect(readSystemStats({ system, devices: [device] })).toEqual({
      version: '0.3.64',
      pytorchVersion: '2.6.0',
      ramTotal: 64,
      ramFree: 32,
      cacheMode: { kind: 'lru', nodes: 64 },
      devices: [{ name: 'cuda:0', type: 'cuda', vramTotal: 24, vramFree: 20, torchVramTotal: 8, torchVramFree: 2 }],
    });
  });

  it('refuses another shape', () => {
    expect(readSystemStats({ system: {} })).toBeUndefined();
  });
});
