import { describe, expect, it } from 'vitest';
import { residentBytesIn } from '../src/lib/process-usage.js';
import { job, PROMPT_CHARS } from '../src/measure/api/bodies.js';
import { coresIn } from '../src/measure/api/cores.js';
import { lastStatus } from '../src/measure/api/event-stream.js';
import { dueTimes } from '../src/measure/api/steady-load.js';

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
