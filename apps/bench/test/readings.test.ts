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

describe('the cores in the output of taskset', () => {
  it.each([
    ["pid 42's current affinity list: 0,1\n", ['0', '1']],
    ["pid 42's current affinity list: 2-4,7\n", ['2', '3', '4', '7']],
    ["pid 42's current affinity list: 5\n", ['5']],
  ])('%j are %j', (text, cores) => {
    expect(coresIn(text)).toEqual(cores);
  });
});

describe('the times of a steady load', () => {
  it('lie in the span, in order, and match the rate', () => {
    let last = 0;
    const times = dueTimes(200, 10, () => {
      last = (last + 0.381966) % 1; // evenly distributed, so that the mean is that of random numbers
      return last;
    });
    expect(times.every((time, n) => time >= (times[n - 1] ?? 0) && time < 10_000)).toBe(true);
    expect(times.length).toBeGreaterThan(1900);
    expect(times.length).toBeLessThan(2100);
  });

  it('have exponentially distributed gaps', () => {
    expect(dueTimes(1, 3, () => 1 - Math.exp(-1)).map(Math.round)).toEqual([1000, 2000]);
  });
});

describe('the last status in an event stream', () => {
  const status = (text: string) => `event: status\nid: 1-0\ndata: {"id":"x","status":"${text}"}\n\n`;

  it('comes from the last status event, whatever follows', () => {
    const text = `${status('queued')}${status('canceled')}: still here\n\nevent: progress\ndata: {"status":"running"}\n\n`;
    expect(lastStatus(text)).toBe('canceled');
  });

  it('is undefined without a status event', () => {
    expect(lastStatus('event: progress\ndata: {}\n\n')).toBeUndefined();
  });
});

it('the resident memory of a process is not its peak memory', () => {
  expect(residentBytesIn('VmHWM:\t  9999 kB\nVmRSS:\t  1024 kB\n')).toBe(2 ** 20);
});

it('a job has a prompt of 100 characters that differs for each number', () => {
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

  it('are the ones with the tag in their graph, in the order of their starts', () => {
    const history = { b: entry('mine', from(20, 30)), x: entry('other', from(5, 6)), a: entry('mine', from(10, 15)) };
    expect(executionsTagged(history, 'mine')).toEqual([
      { gpu: 0, promptId: 'a', startedAt: 10, endedAt: 15 },
      { gpu: 0, promptId: 'b', startedAt: 20, endedAt: 30 },
    ]);
  });

  it('are an error if one did not succeed', () => {
    const history = { a: entry('mine', [['execution_start', { timestamp: 10 }]]) };
    expect(() => executionsTagged(history, 'mine')).toThrow('the prompt a ended as');
  });
});

describe('the resource usage of a process on Linux', () => {
  it('is read correctly after a name with spaces and parentheses', () => {
    expect(cpuMsIn('42 (a (b) c) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 0 0 20 0 11 0 99 1 2')).toBe(1750);
  });

  it('includes its peak memory, which Linux reports in kB', () => {
    expect(peakBytesIn('Name:\tnode\nVmPeak:\t 999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n')).toBe(2 * 2 ** 20);
  });

  it('includes the share of a core within a span', () => {
    const samples = [0, 1000, 1500, 2000, 9000].map((at) => ({ at, cpuMs: at < 9000 ? at / 4 : 9000, peakBytes: 1 }));
    expect(cpuShare(samples, 1000, 2000)).toBe(0.25);
    expect(cpuShare(samples, 1900, 2100)).toBeUndefined();
  });
});

describe('the options', () => {
  it('are off by default', () => {
    expect(readOptions([])).toEqual({ quick: false, goals: true, help: false });
    expect(readOptions(['--quick', '--no-goals'])).toEqual({ quick: true, goals: false, help: false });
  });

  it('reject unknown names', () => {
    expect(() => readOptions(['--quik'])).toThrow(/--quik/);
  });

  it('name one of the sections, if the benchmark has any', () => {
    expect(readOptions(['--section', 'many'], ['few', 'many']).section).toBe('many');
    expect(() => readOptions(['--section', 'no'], ['few', 'many'])).toThrow('few, many');
    expect(() => readOptions(['--section', 'many'])).toThrow('--section many');
  });
});

describe('the memory of Redis', () => {
  it('is used_memory, not a field with a similar name', () => {
    const info = 'used_memory_rss:9\r\nused_memory:1234567\r\nused_memory_human:1.18M\r\n';
    expect(usedMemoryIn(info)).toBe(1_234_567);
  });

  it('is an error if it is missing', () => {
    expect(() => usedMemoryIn('-NOPERM\r\n')).toThrow('used_memory');
  });
});

it('the CPU time of Redis is the user and system time of its main thread in microseconds', () => {
  const all = 'used_cpu_sys:7.000000\r\nused_cpu_user:9.000000\r\n';
  const info = `${all}used_cpu_sys_main_thread:0.250000\r\nused_cpu_user_main_thread:1.500000\r\n`;
  expect(mainThreadCpuIn(info)).toBe(1_750_000);
});
