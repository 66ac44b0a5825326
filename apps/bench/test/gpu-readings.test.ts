import { describe, expect, it } from 'vitest';
import { cpuMsIn, cpuShare, peakBytesIn } from '../src/lib/process-usage.js';
import { executionsTagged, type History } from '../src/measure/gpu/history.js';
import { readOptions } from '../src/measure/options.js';

const entry = (text: string, messages: [string, { timestamp?: number }][]): History[string] => {
  const graph = { '2': { class_type: 'PrimitiveStringMultiline', inputs: { value: text } } };
  return { prompt: [0, 'id', graph, {}, []], status: { status_str: 'success', messages } };
};

describe("the executions in a real ComfyUI's history", () => {
  const from = (start: number, end: number): [string, { timestamp?: number }][] => [
    ['execution_start', { timestamp: start }],
    ['execution_cached', {}],
    ['execution_success', { timestamp: end }],
  ];

  it('are those with the tag in their graph, in the order of their starts', () => {
    const history = { b: entry('mine', from(20, 30)), x: entry('other', from(5, 6)), a: entry('mine', from(10, 15)) };
    expect(executionsTagged(history, 'mine')).toEqual([
      { gpu: 0, promptId: 'a', startedAt: 10, endedAt: 15 },
      { gpu: 0, promptId: 'b', startedAt: 20, endedAt: 30 },
    ]);
  });

  it('refuse one without a successful end', () => {
    const history = { a: entry('mine', [['execution_start', { timestamp: 10 }]]) };
    expect(() => executionsTagged(history, 'mine')).toThrow('the prompt a ended as');
  });
});

describe("what Linux tells of a process's use", () => {
  it('is read behind a name with spaces and parentheses', () => {
    expect(cpuMsIn('42 (a (b) c) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 0 0 20 0 11 0 99 1 2')).toBe(1750);
  });

  it('has the peak of its memory in kB', () => {
    expect(peakBytesIn('Name:\tnode\nVmPeak:\t 999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n')).toBe(2 * 2 ** 20);
  });

  it('gives the share of a core within the span only', () => {
    const samples = [0, 1000, 1500, 2000, 9000].map((at) => ({ at, cpuMs: at < 9000 ? at / 4 : 9000, peakBytes: 1 }));
    expect(cpuShare(samples, 1000, 2000)).toBe(0.25);
    expect(cpuShare(samples, 1900, 2100)).toBeUndefined();
  });
});

describe('the options', () => {
  it('are off unless they are named', () => {
    expect(readOptions([])).toEqual({ quick: false, goals: true, help: false });
    expect(readOptions(['--quick', '--no-goals'])).toEqual({ quick: true, goals: false, help: false });
  });

  it('refuse what they do not know', () => {
    expect(() => readOptions(['--quik'])).toThrow(/--quik/);
  });
});
