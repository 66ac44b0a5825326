import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { createLogger, stopOnSignals } from '../src/index.js';
import { explain } from '../src/stop-signals.js';

/** Replaces a process: signals are its events, and its exit is only recorded. */
function aProcess(stop: () => Promise<void>, withinMs = 60_000) {
  const said: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      said.push((JSON.parse(String(chunk)) as { message: string }).message);
      done();
    },
  });
  const log = createLogger({ service: 'test', level: 'info', format: 'json', stream });
  const signals = new EventEmitter();
  let end: (code: number) => void = () => {};
  const ended = new Promise<number>((resolve) => (end = resolve));
  const own = Object.assign(signals, { exit: (code?: number | string | null) => end(Number(code ?? 0)) as never });
  let stops = 0;
  const counted = () => {
    stops += 1;
    return stop();
  };
  stopOnSignals({ stop: counted, withinMs, log }, own as unknown as NodeJS.Process);
  return { send: (signal: NodeJS.Signals) => signals.emit(signal), ended, said, stops: () => stops };
}

const never = () => new Promise<void>(() => {});

it.each(['SIGTERM', 'SIGINT'] as const)('stops in order at %s and ends with 0', async (signal) => {
  const one = aProcess(async () => {});
  one.send(signal);
  expect(await one.ended).toBe(0);
  expect(one.said).toEqual(['stopping', 'stopped']);
});

it.each([
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGTERM'],
] as const)('ends at once when after %s comes %s, without stopping a second time', async (first, second) => {
  const one = aProcess(never);
  one.send(first);
  one.send(second);
  expect(await one.ended).toBe(1);
  expect(one.stops()).toBe(1);
  expect(one.said).toEqual(['stopping', 'exiting at once: asked to stop a second time']);
});

it('exits with 1 when stopping fails or takes too long', async () => {
  const failing = aProcess(() => Promise.reject(new Error('broken')));
  failing.send('SIGTERM');
  expect([await failing.ended, failing.said.at(-1)]).toEqual([1, 'stopping failed']);
  const late = aProcess(never, 1);
  late.send('SIGTERM');
  expect([await late.ended, late.said.at(-1)]).toEqual([1, 'stopping took too long; the rest is left undone']);
});

it('explains in a line or two what the operator can fix, and shows the stack of any other error', () => {
  expect(explain(new FleetError('overloaded', 'Redis is full.'))).toBe('Redis is full.');
  expect(explain(Object.assign(new Error('PORT=x: must be integer'), { faults: [] }))).toBe('PORT=x: must be integer');
  const taken = Object.assign(new Error('listen EADDRINUSE: address already in use'), { code: 'EADDRINUSE' });
  expect(explain(taken)).toBe(
    'The process cannot listen (listen EADDRINUSE: address already in use): stop what listens there, or set another port.',
  );
  expect(explain(new TypeError('a bug'))).toMatch(/^TypeError: a bug\n +at /);
});
