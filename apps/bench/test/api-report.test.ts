import { describe, expect, it } from 'vitest';
import type { Load, Round } from '../src/measure/api/in-turns.js';
import type { Turn, Waiting } from '../src/measure/api/measure-waiting.js';
import {
  ratioGoals,
  ratioTable,
  socketsGoals,
  streamsGoals,
  waitingGoals,
  waitingTable,
  webhooksGoals,
} from '../src/measure/api/report.js';
import { isMet } from '../src/measure/goals.js';

/** As busy as can be: what takes twice as long is done half as often. */
const load = (perSecond: number): Load => ({ perSecond, ms: [1, 2, 3], cpuMs: 1000 / perSecond });
const round = (service: number, beside: number): Round => ({ service: load(service), beside: load(beside) });

describe('the ratio to a bare route', () => {
  it.each([
    [[round(800, 1000), round(790, 1000), round(810, 1000)], true],
    [[round(900, 1000), round(790, 1000), round(790, 1000)], false],
  ])('is judged by the median of the rounds, not by the best one (case %#)', (rounds, met) => {
    expect(ratioGoals([{ what: 'GET', beside: 'bare Express', rounds }]).map(isMet)).toEqual([met]);
  });

  it('is shown for each round, with the processor time that a request costs', () => {
    const lines = ratioTable({ what: 'GET', beside: 'bare Express', rounds: [round(800, 1000)] }).split('\n');
    const [ours, bare] = [
      ['800', '2.0', '3.0', '1250'],
      ['1000', '2.0', '3.0', '1000'],
    ];
    expect(lines.at(-1)?.split(/ +/)).toEqual(['1', ...ours, ...bare, '0.800', '0.800']);
  });

  it('is of processor time, whatever else holds up the requests', () => {
    const heldUp = { service: { ...load(1000), perSecond: 10 }, beside: load(1000) };
    expect(ratioGoals([{ what: 'GET', beside: 'bare Express', rounds: [heldUp] }]).map(({ value }) => value)).toEqual([
      1,
    ]);
  });

  it('is shown where the kernel does not tell processor times', () => {
    const silent = { service: { ...load(1), cpuMs: undefined }, beside: { ...load(2), cpuMs: undefined } };
    const ratio = { what: 'GET', beside: 'bare Express', rounds: [silent] };
    expect(ratioTable(ratio)).not.toContain('undefined');
    expect(ratioGoals([ratio]).map(({ value }) => value)).toEqual([0.5]);
  });
});

describe('open sockets', () => {
  it('are judged by the memory of each, where the kernel tells it', () => {
    const grown = (kib: number) => socketsGoals({ sockets: 10, before: 1024, open: 1024 + 10 * kib * 1024 });
    expect([grown(100), grown(101)].flat().map(isMet)).toEqual([true, false]);
    expect(socketsGoals({ sockets: 10, before: undefined, open: undefined })).toEqual([]);
  });
});

describe('a long queue', () => {
  const waiting = (turns: readonly Turn[], bytesPerJob = 1): Waiting => {
    return { jobs: 1000, fillSeconds: 1, bytesPerJob, latencies: [{ what: 'GET', turns }] };
  };
  const turn = (empty: number[], full: number[]): Turn => ({ empty, full });

  it.each([
    [[1, 2, 10], [1, 2, 13], 3000, [true, true]],
    [[1, 2, 10], [1, 2, 13.1], 3001, [false, false]],
    [[1, 1, 10], [9, 9, 9], 1000, [true, true]],
  ])('is judged by the p99 and by the bytes of a job (case %#)', (empty, full, bytes, met) => {
    expect(waitingGoals(waiting([turn(empty, full)], bytes)).map(isMet)).toEqual(met);
  });

  it.each([
    [[turn([10], [11]), turn([10], [12]), turn([10], [90])], true],
    [[turn([10], [11]), turn([10], [14]), turn([10], [14])], false],
    [[turn([10], [14]), turn([90], [14]), turn([10], [14])], false],
  ])('is judged by the median of the turns (case %#)', (turns, met) => {
    expect(waitingGoals(waiting(turns)).map(isMet)[0]).toBe(met);
  });

  it('is shown with the p99 of all turns and the range of their ratios', () => {
    const lines = waitingTable(waiting([turn([10], [11]), turn([10], [90]), turn([10], [12])])).split('\n');
    expect(lines.at(-1)?.split(/ +/)).toEqual(['GET', '3', '10.0', '12.0', '10.0', '90.0', '1.200', '1.10–9.00']);
  });
});

it('one event stream without its end is one too many', () => {
  const streams = (told: number) => ({ streams: 1000, before: 1, open: 2, told, endSeconds: 1 });
  expect([999, 1000].flatMap((told) => streamsGoals(streams(told))).map(isMet)).toEqual([false, true]);
});

it('the way of webhooks is judged by its median', () => {
  expect(
    [
      [1, 20, 900],
      [1, 20.1, 21],
    ]
      .flatMap(webhooksGoals)
      .map(isMet),
  ).toEqual([true, false]);
});
