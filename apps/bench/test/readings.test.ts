import { describe, expect, it } from 'vitest';
import {
  cpuMsIn,
  cpuShare,
  mainThreadCpuIn,
  peakBytesIn,
  residentBytesIn,
  usedMemoryIn,
} from '../src/lib/resource-usage.js';
import { coresIn } from '../src/measure/api/api-stack.js';
import { job, PROMPT_CHARS } from '../src/measure/api/jobs.js';
import { dueTimes } from '../src/measure/api/long-queue.js';
import { lastStatus } from '../src/measure/api/open-connections.js';
import { executionsTagged, type History } from '../src/measure/gpu/executions.js';
import { readOptions } from '../src/measure/measurement.js';

describe('the cores in what taskset says', () => {
  it.each([
    ["pid 42's current affinity list: 0,1\n", ['0', '1']],
    ["pid 42's current affinity list: 2-4,7\n", ['2', '3', '4', '7']],
    ["pid 42's current affinity list: 5\n", ['5']],
  ])('%j are %j', (text, cores) => {
    expect(coresIn(text)).toEqual(cores);
  });
});

describe('the times of a steady load', () => {
  it('lie in the span, in order, and are as many as the rate says', () => {
    let last = 0;
    const times = dueTimes(200, 10, () => {
      last = (last + 0.381966) % 1; // evenly spread, so that the mean is that of chance
      return last;
    });
    expect(times.every((time, n) => time >= (times[n - 1] ?? 0) && time < 10_000)).toBe(true);
    expect(times.length).toBeGreaterThan(1900);
    expect(times.length).toBeLessThan(2100);
  });

  it('have the gaps of arrivals that know nothing of each other', () => {
    expect(dueTimes(1, 3, () => 1 - Math.exp(-1)).map(Math.round)).toEqual([1000, 2000]);
  });
});

describe('the last status in an event stream', () => {
  const status = (text: string) => `event: status\nid: 1-0\ndata: {"id":"x","status":"${text}"}\n\n`;

  it('is that of the last status event, whatever follows it', () => {
    const text = `${status('queued')}${status('canceled')}: still here\n\nevent: progress\ndata: {"status":"running"}\n\n`;
    expect(lastStatus(text)).toBe('canceled');
  });

  it('is undefined when there was none', () => {
    expect(lastStatus('event: progress\ndata: {}\n\n')).toBeUndefined();
  });
});

it("a process's resident memory is what it has now, not its peak", () => {
  expect(residentBytesIn('VmHWM:\t  9999 kB\nVmRSS:\t  1024 kB\n')).toBe(2 ** 20);
});

it('a job has a prompt of 100 characters, another one for each number', () => {
  const prompts = [1, 99_999].map((number) => (job(number) as { prompt: string }).prompt);
  expect(prompts.map((prompt) => prompt.length)).toEqual([PROMPT_CHARS, PROMPT_CHARS]);
  expect(prompts[0]).not.toBe(prompts[1]);
});

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

describe('the memory of Redis', () => {
  it('is used_memory, not what looks like it', () => {
    const info = 'used_memory_rss:9\r\nused_memory:1234567\r\nused_memory_human:1.18M\r\n';
    expect(usedMemoryIn(info)).toBe(1_234_567);
  });

  it('is an error when it is not told', () => {
    expect(() => usedMemoryIn('-NOPERM\r\n')).toThrow('used_memory');
  });
});

it('the processor time of Redis is that of its main thread, user and system, in microseconds', () => {
  const all = 'used_cpu_sys:7.000000\r\nused_cpu_user:9.000000\r\n';
  const info = `${all}used_cpu_sys_main_thread:0.250000\r\nused_cpu_user_main_thread:1.500000\r\n`;
  expect(mainThreadCpuIn(info)).toBe(1_750_000);
});
