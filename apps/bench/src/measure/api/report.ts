import { median, percentile } from '../../lib/statistics.js';
import { table } from '../../lib/table.js';
import type { Goal } from '../goals.js';
import type { Load, Ratio, Round } from './in-turns.js';
import type { Hostile } from './measure-hostile.js';
import type { Sockets } from './measure-sockets.js';
import type { Streams } from './measure-streams.js';
import { type Latencies, STEADY_PER_SECOND, type Turn, type Waiting } from './measure-waiting.js';

const MIB = 1024 ** 2;

/**
 * CPU time of a request against that of one it is compared with. Where the kernel reports no CPU times, the rates count,
 * which Redis and the load generator on the other core limit too.
 */
function ratioOf({ service, beside }: Round): number {
  if (service.cpuMs === undefined || beside.cpuMs === undefined) return beside.perSecond / service.perSecond;
  return service.cpuMs / beside.cpuMs;
}

const p = (ms: readonly number[], share: number) => percentile(ms, share).toFixed(1);

export function ratioTable({ what, beside, rounds }: Ratio): string {
  const side = ({ perSecond, ms, cpuMs }: Load) => [
    perSecond.toFixed(0),
    p(ms, 50),
    p(ms, 99),
    cpuMs === undefined ? '' : (cpuMs * 1000).toFixed(0),
  ];
  const cells = rounds.map((round, n) => [
    `${n + 1}`,
    ...side(round.service),
    ...side(round.beside),
    ratioOf(round).toFixed(3),
  ]);
  const times = ['p50', 'p99', 'CPU µs'];
  const head = ['round', 'req/s', ...times, 'beside req/s', ...times, 'CPU ÷ CPU'];
  return table(`${what} beside ${beside}, both under full load; times in ms`, head, cells);
}

/** The median of the rounds: one in which the machine had something else to do counts as one. */
export function ratioGoals(ratios: readonly Ratio[]): Goal[] {
  return ratios.map(({ what, beside, rounds }) => {
    return {
      what: `CPU time of ${what} ÷ ${beside}`,
      value: median(rounds.map(ratioOf)),
      unit: '',
      bound: 'at most',
      limit: 2,
    };
  });
}

const slowdown = ({ empty, full }: Turn) => percentile(full, 99) / percentile(empty, 99);

/** The median of the turns: where the machine stands still for 50 ms in one, ten callers of 400 wait, and make its p99. */
const slowdownOf = ({ turns }: Latencies) => median(turns.map(slowdown));

export function waitingTable({ jobs, fillSeconds, latencies }: Waiting): string {
  const cells = latencies.map((measured) => {
    const { what, turns } = measured;
    const [empty, full] = [turns.flatMap((turn) => turn.empty), turns.flatMap((turn) => turn.full)];
    const ratios = turns.map(slowdown);
    return [
      what,
      `${empty.length}`,
      ...[50, 99].flatMap((share) => [p(empty, share), p(full, share)]),
      slowdownOf(measured).toFixed(3),
      `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    ];
  });
  const speed = (jobs / fillSeconds).toFixed(0);
  return table(
    `${STEADY_PER_SECOND} requests a second, in ms, with an empty queue and with ${jobs} jobs in it (accepted at ${speed} a second)`,
    ['', 'of each', 'p50 empty', 'p50 full', 'p99 empty', 'p99 full', 'p99 ÷ p99, median turn', 'all turns'],
    cells,
  );
}

export function waitingGoals({ jobs, bytesPerJob, latencies }: Waiting): Goal[] {
  const slower = latencies.map((measured): Goal => {
    const what = `${measured.what}: p99 with ${jobs} waiting ÷ none`;
    return { what, value: slowdownOf(measured), unit: '', bound: 'at most', limit: 1.3 };
  });
  const bytes = {
    what: 'Redis for a waiting job',
    value: bytesPerJob,
    unit: 'bytes',
    bound: 'at most',
    limit: 3000,
  } as const;
  return [...slower, bytes];
}

const mib = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / MIB).toFixed(1));

/** In KiB; undefined where the kernel does not tell. */
function eachOf(count: number, { before, open }: Pick<Sockets, 'before' | 'open'>): number | undefined {
  return before === undefined || open === undefined ? undefined : (open - before) / count / 1024;
}

export function streamsTable({ streams, before, open, told, endSeconds }: Streams): string {
  const each = eachOf(streams, { before, open })?.toFixed(1) ?? '';
  return table(
    'Resident memory of one API process with open event streams, in MiB',
    ['streams', 'before', 'with them', 'KiB each', 'got their end', 's until then'],
    [[`${streams}`, mib(before), mib(open), each, `${told}`, endSeconds.toFixed(1)]],
  );
}

export function streamsGoals({ streams, told }: Streams): Goal[] {
  return [
    { what: 'event streams that got their end', value: told, unit: 'streams', bound: 'at least', limit: streams },
  ];
}

export function socketsTable({ sockets, before, open }: Sockets): string {
  const each = eachOf(sockets, { before, open })?.toFixed(1) ?? '';
  return table(
    "Resident memory of one API process with open sockets of ComfyUI's API, in MiB",
    ['sockets', 'before', 'with them', 'KiB each'],
    [[`${sockets}`, mib(before), mib(open), each]],
  );
}

export function socketsGoals({ sockets, ...memory }: Sockets): Goal[] {
  const value = eachOf(sockets, memory);
  const what = `memory of each of ${sockets} sockets`;
  return value === undefined ? [] : [{ what, value, unit: 'KiB', bound: 'at most', limit: 32 }];
}

export function hostileTable(hostile: readonly Hostile[]): string {
  return table(
    'The longest that /livez took during each attack, in ms',
    ['attack', 'answered', 'bytes of it', 'best of the times', 'worst'],
    hostile.map(({ what, answered, answerBytes, worstMs }) => [
      what,
      answered,
      `${answerBytes}`,
      Math.min(...worstMs).toFixed(0),
      Math.max(...worstMs).toFixed(0),
    ]),
  );
}

/** Takes each attack's best round: the attack slows the API in every round, the machine only in some. */
export function hostileGoals(hostile: readonly Hostile[]): Goal[] {
  const value = Math.max(...hostile.map(({ worstMs }) => Math.min(...worstMs)));
  return [{ what: 'worst /livez during an attack', value, unit: 'ms', bound: 'at most', limit: 100 }];
}

export function webhooksTable(ms: readonly number[]): string {
  return table(
    "From a job's finished_at to its receiver's 200, in ms, one job after the other",
    ['webhooks', 'p50', 'p95', 'p99', 'longest'],
    [[`${ms.length}`, p(ms, 50), p(ms, 95), p(ms, 99), p(ms, 100)]],
  );
}

export function webhooksGoals(ms: readonly number[]): Goal[] {
  const what = "from succeeded to the receiver's 200, p50";
  return [{ what, value: median(ms), unit: 'ms', bound: 'at most', limit: 20 }];
}
