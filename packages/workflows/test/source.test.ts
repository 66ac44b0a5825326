import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, parseSource, readSource, sourceText, versionOf } from '../src/index.js';

const save = (seed: unknown) => ({ class_type: 'SaveImage', inputs: { images: ['2', 0], seed } });
const load = { class_type: 'LoadImage', inputs: { image: 'a.png' } };

describe('the version of a workflow', () => {
  it('does not depend on the order in which nodes and inputs were saved', () => {
    const one = readSource({ workflow: { b: save(1), '2': load } });
    const other = readSource({
      workflow: { '2': load, b: { inputs: { seed: 1, images: ['2', 0] }, class_type: 'SaveImage' } },
    });
    expect(versionOf(sourceText(one))).toBe(versionOf(sourceText(other)));
    expect(versionOf(sourceText(one))).toMatch(/^[0-9a-f]{64}$/);
  });

  it("changes with any value, the inputs file, the bindings file and App mode's inputs", () => {
    const body = (linearData: unknown) => ({
      prompt: { b: save(1), '2': load },
      extra_data: { extra_pnginfo: { workflow: { extra: { linearData } } } },
    });
    const sources = [
      { workflow: { b: save(1), '2': load } },
      { workflow: { b: save(2), '2': load } },
      { workflow: { b: save(1), '2': load }, inputs: { description: 'Pictures' } },
      { workflow: { b: save(1), '2': load }, bindings: { image: '2' } },
      { workflow: body({ inputs: [['2', 'image']] }) },
    ];
    expect(new Set(sources.map((parts) => versionOf(sourceText(readSource(parts))))).size).toBe(sources.length);
  });

  it('does not change with new releases: keys are ordered by UTF-16 units, with indexes first', () => {
    const ordered = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(ordered);
      if (typeof value !== 'object' || value === null) return value;
      const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      return Object.fromEntries(entries.map(([key, part]) => [key, ordered(part)]));
    };
    const keys = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '10', '2', '-1', '01', 'é', 'Z'));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, fc.jsonValue({ maxDepth: 1 }), tie('list'), tie('nodes')),
      list: fc.array(tie('value'), { maxLength: 4 }),
      nodes: fc.dictionary(keys, tie('value'), { maxKeys: 6 }),
    }));
    fc.assert(
      fc.property(value, (graph) => {
        expect(sourceText({ graph: graph as Graph })).toBe(JSON.stringify({ graph: ordered(graph) }));
      }),
    );
    const text = '{"graph":{"1":{"__proto__":{"b":[["2",0]],"é":null},"a":1}}}';
    expect(sourceText({ graph: (JSON.parse(text) as { graph: Graph }).graph })).toBe(text);
  });

  it('keeps seeds exact up to 2^64−1 when converted to text and back', () => {
    const text = sourceText(readSource({ workflow: { b: save(18446744073709551615n), '2': load } }));
    expect(text).toContain('18446744073709551615');
    expect(sourceText(parseSource(text))).toBe(text);
  });
});
