import { describe, expect, it } from 'vitest';
import { readHistoryEntry } from '../src/history.js';
import type { HistoryEntry } from '../src/index.js';
import { fixture } from './support/fixtures.js';

const recorded = fixture<Record<string, Record<string, unknown>>>('history.json');

function read(name: string): HistoryEntry {
  const entry = readHistoryEntry(recorded[name]);
  if (entry === undefined) throw new Error(`cannot read ${name}`);
  return entry;
}

describe('readHistoryEntry', () => {
  it('returns the pictures of a success in order, with its times', () => {
    const entry = read('history with three pictures');
    expect(entry.outcome).toBe('success');
    expect(entry.outputs.map(({ nodeId, filename }) => `${nodeId} ${filename}`)).toEqual([
      '7 text2img_00025_.png',
      '7 text2img_00026_.png',
      '7 text2img_00027_.png',
    ]);
    expect([entry.startedAt, entry.endedAt]).toEqual([1795597411958, 1795597413145]);
    expect(entry.error).toBeUndefined();
  });

  it('separates temporary pictures', () => {
    const entry = read('history with both');
    expect(entry.outputs.map(({ type }) => type)).toEqual(['output']);
    expect(entry.temporary.map(({ nodeId, type }) => `${nodeId} ${type}`)).toEqual(['8 temp']);
  });

  it('accepts picture entries with further keys', () => {
    expect(read('0.33 with assets').outputs).toEqual([
      { nodeId: '2', filename: 'asset_00001_.png', subfolder: '', type: 'output', key: 'images' },
    ]);
  });

  it('reports which node failed and why, without the path of the file', () => {
    const { outcome, error } = read('after an execution error');
    expect(outcome).toBe('error');
    expect(error?.code).toBe('node_execution_error');
    expect(error?.nodeId).toBe('4');
    expect(error?.detail).toBe("LoadImage 4 failed: cannot identify image file 'text.png'");
  });

  it('keeps pictures that were ready before another node failed', () => {
    const entry = read('after that: are the finished outputs kept?');
    expect(entry.outcome).toBe('error');
    expect(entry.outputs.map(({ filename }) => filename)).toEqual(['beside_failure_00001_.png']);
    expect(entry.error?.nodeId).toBe('3');
  });

  it('distinguishes an interrupt from an error, though ComfyUI uses the same word', () => {
    const entry = read('after an interrupt');
    expect(entry.outcome).toBe('interrupted');
    expect(entry.error).toBeUndefined();
  });

  it('orders nodes by number: 2, then 10, then 57:8', () => {
    const picture = (filename: string) => ({ images: [{ filename, subfolder: 'a', type: 'output' }] });
    const outputs = { '57:8': picture('c'), '10': picture('b'), '2': picture('a'), '3': { text: ['no picture'] } };
    const entry = readHistoryEntry({ outputs, status: { status_str: 'success', messages: [] } });
    expect(entry?.outputs.map(({ nodeId, filename }) => nodeId + filename)).toEqual(['2a', '10b', '57:8c']);
    expect(entry?.startedAt).toBeUndefined();
  });

  it('ignores what a node of ComfyUI shows besides the files that it wrote, since that may be its input', () => {
    const shown = { histogram: [{ filename: 'somebody-elses.png', subfolder: '', type: 'output' }] };
    const outputs = { '1': shown, '2': shown, '2.0.0.1': shown, '3': shown };
    const prompt = [0, 'id', { '1': { class_type: 'CurveEditor' }, '2': { class_type: 'Custom' } }];
    const meta = {
      '2.0.0.1': { node_id: '2.0.0.1', display_node: '2', parent_node: '2', real_node_id: '2' },
    };
    const entry = readHistoryEntry({ outputs, prompt, meta, status: { status_str: 'success', messages: [] } });
    expect(entry?.outputs.map(({ nodeId }) => nodeId)).toEqual(['2']);
  });

  it('accepts a list of files under any key of a custom node, without duplicates and without paths of the host', () => {
    const file = (filename: string, more = {}) => ({ filename, subfolder: '', type: 'output', ...more });
    const shown = `preview3d_${'0a'.repeat(16)}.glb`;
    const ours = `${'0a'.repeat(32)}-1_00001.glb`;
    const outputs = {
      '1': { images: [file('a.mp4')], animated: [true] },
      '2': {
        gifs: [
          file('b.webm', { frame_rate: 12.5, fullpath: '/srv/output/b.webm', workflow: 'b.png', format: 'video/webm' }),
        ],
      },
      '3': { audio: [file('c.flac')], files: [file('c.flac'), file('d.txt')], '3d': [file('e.glb')] },
      '4': { result: [shown, null, null] },
      '4.1': { result: [ours, null, null] },
      '5': { result: ['somebody-elses.glb', { filename: 'somebody-elses.png', type: 'input' }, [file('h.png')]] },
      '6': { images: [file('f.png', { type: 'temp' }), { filename: '' }, 7, null], anything: { filename: 'g.png' } },
    };
    const prompt = [0, 'id', { '2': { class_type: 'VHS_VideoCombine' } }];
    const entry = readHistoryEntry({ outputs, prompt, status: { status_str: 'success', messages: [] } });
    expect(entry?.outputs.map(({ filename }) => filename)).toEqual([
      'a.mp4',
      'b.webm',
      'c.flac',
      'd.txt',
      'e.glb',
      shown,
      ours,
    ]);
    expect(entry?.temporary.map(({ filename }) => filename)).toEqual(['f.png']);
    const places = new Set(['nodeId', 'filename', 'subfolder', 'type']);
    const listed = entry?.outputs.map((one) =>
      Object.fromEntries(Object.entries(one).filter(([name]) => !places.has(name))),
    );
    expect(listed).toEqual([
      { key: 'images', animated: true },
      { key: 'gifs', format: 'video/webm', frameRate: 12.5 },
      ...['audio', 'files', '3d', 'result', 'result'].map((key) => ({ key })),
    ]);
    expect(JSON.stringify(entry)).not.toContain('/srv');
  });

  it('reads texts that nodes show', () => {
    const outputs = { '10': { text: ['b', 'c', 7] }, '2': { text: 'a' }, '3': { texts: ['none'] } };
    const entry = readHistoryEntry({ outputs, status: { status_str: 'success', messages: [] } });
    expect(entry?.texts).toEqual([
      { nodeId: '2', text: 'a' },
      { nodeId: '10', text: 'b' },
      { nodeId: '10', text: 'c' },
    ]);
  });

  it('reads other values that nodes show, except those of model viewers', () => {
    const outputs = {
      '10': { text: ['b', 7], tags: ['x'], animated: [true], images: [{ filename: 'a.png' }, { seed: 1 }], none: [] },
      '2': { value: [3.5] },
      '3': { result: ['somebody-elses.glb'], images: [] },
    };
    const entry = readHistoryEntry({ outputs, status: { status_str: 'success', messages: [] } });
    expect(entry?.values).toEqual([
      { nodeId: '2', values: { value: [3.5] } },
      { nodeId: '10', values: { text: [7], tags: ['x'], images: [{ seed: 1 }], none: [] } },
    ]);
  });

  it('reports from which node another one was expanded, unless the result is from another prompt', () => {
    const about = (node_id: string) => ({ node_id, display_node: '1', parent_node: '2', real_node_id: '3' });
    const outputs = { '3.0.0.1': { text: ['a'] }, '3.0.0.2': { text: ['b'] }, '4': { text: ['c'] } };
    const meta = {
      '3.0.0.1': about('3.0.0.1'),
      '3.0.0.2': about('7.0.0.2'),
      '4': { ...about('4'), parent_node: null },
    };
    const entry = readHistoryEntry({ outputs, meta, status: { status_str: 'success', messages: [] } });
    expect(entry?.texts).toEqual([
      { nodeId: '3.0.0.1', text: 'a', expandedFrom: { display: '1', parent: '2', real: '3' } },
      { nodeId: '3.0.0.2', text: 'b' },
      { nodeId: '4', text: 'c' },
    ]);
  });

  it('is an error without a reason when ComfyUI gives none', () => {
    const entry = readHistoryEntry({ outputs: {}, status: { status_str: 'error', messages: [] } });
    expect(entry?.error?.detail).toBe('The workflow failed; ComfyUI gave no reason.');
  });

  it.each([[null], [[]], [{}], [{ outputs: {} }], [{ outputs: {}, status: null }]])('refuses %j', (value) => {
    expect(readHistoryEntry(value)).toBeUndefined();
  });
});
