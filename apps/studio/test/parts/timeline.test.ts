import { describe, expect, it } from 'vitest';
import { assignPaints, OTHER } from '../../src/charts/paint.js';
import { stacked } from '../../src/charts/plot.js';
import { ticksOf } from '../../src/fleet/timeline/lane-bars.js';
import { barAt, barsOf, describeSpan, pathOf, type Span, workflowsOf } from '../../src/fleet/timeline/spans.js';

const AT = Date.parse('2026-11-27T12:00:00Z');
const iso = (seconds: number) => new Date(AT + seconds * 1000).toISOString();

const span = (from: number, to: number, part: Partial<Span> = {}): Span => ({
  from: iso(from),
  to: iso(to),
  job_id: 'a',
  jobs: 1,
  workflow: 'text2img',
  lod: 'sketch',
  key: 'web',
  outcome: 'completed',
  loading_seconds: 0,
  ...part,
});

describe('a timeline', () => {
  const range = { from: AT, to: AT + 100_000 };

  it('has a bar for each span, cut to the time range and at least a pixel wide, with its loading part', () => {
    const bars = barsOf(
      [span(-10, 10), span(50, 50.01), span(90, 120, { loading_seconds: 5 }), span(-9, -5)],
      range,
      1000,
    );
    expect(bars.map(({ x, width, loading }) => [x, width, loading])).toEqual([
      [0, 99, 0],
      [500, 1, 0],
      [900, 99, 50],
    ]);
    expect(pathOf(bars.slice(0, 1), 4, 20)).toBe('M0.0 4h99.0v20h-99.0z');
  });

  it('finds the nearest bar within reach of the pointer', () => {
    const bars = barsOf([span(0, 10), span(10.5, 20)], range, 1000);
    expect([barAt(bars, 50, 4), barAt(bars, 104, 4), barAt(bars, 101, 4), barAt(bars, 500, 4)]).toEqual([
      0,
      1,
      0,
      undefined,
    ]);
  });

  it('has ticks at round times, as many as fit', () => {
    const hour = { from: AT - 3_540_000, to: AT + 60_000 };
    expect(ticksOf(hour, 700).map((at) => (at - AT) / 60_000)).toEqual([-50, -40, -30, -20, -10, 0]);
    expect(ticksOf(hour, 200).map((at) => (at - AT) / 60_000)).toEqual([-40, -20, 0]);
  });

  it('describes a span in words', () => {
    expect(describeSpan(span(0, 12.3, { loading_seconds: 4 }))).toMatch(
      /^text2img, Sketch, key web, 12 s, including 4 s loading models, completed, from \d\d:00:00$/,
    );
    expect(describeSpan(span(0, 100, { jobs: 12, job_id: null, lod: null, key: null }))).toMatch(
      /^12 jobs of text2img, 2 min/,
    );
  });

  it('gives each workflow the same colour everywhere, and OTHER when colours run out', () => {
    const names = workflowsOf([
      span(0, 1, { workflow: 'a' }),
      span(1, 9, { workflow: 'b' }),
      span(9, 10, { workflow: 'a' }),
    ]);
    expect(names).toEqual(['b', 'a']);
    expect(workflowsOf([span(0, 1, { workflow: null, jobs: 3, job_id: null })])).toEqual(['several workflows']);
    expect(assignPaints(['b', 'a'])).toEqual(assignPaints(['a', 'b']));
    const many = assignPaints(Array.from({ length: 10 }, (_one, index) => `w${index}`));
    expect(new Set([...many.values()].slice(0, 8)).size).toBe(8);
    expect([many.get('w8'), many.get('w9')]).toEqual([OTHER, OTHER]);
  });
});

it('stacks each column on those before it, and leaves out unknown values', () => {
  const values = [
    [1, 2, undefined],
    [3, undefined, undefined],
    [5, 6, undefined],
  ];
  const series = values.map((own, index) => ({ name: `${index}`, paint: index, values: own }));
  expect(stacked(series).map((one) => one.values)).toEqual([
    [1, 2, undefined],
    [4, undefined, undefined],
    [9, 8, undefined],
  ]);
});
