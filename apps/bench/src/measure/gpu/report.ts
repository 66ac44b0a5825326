import { median, percentile } from '../../lib/statistics.js';
import { table } from '../../lib/table.js';
import type { Goal } from '../goals.js';
import type { Finish } from './measure-finish.js';
import type { Many } from './measure-many.js';
import type { Real } from './measure-real.js';
import type { Throughput } from './measure-throughput.js';
import type { Usage } from './usage.js';

const MIB = 1024 ** 2;

/** Recorded from a real ComfyUI 0.3.64: what 64×64 EmptyImage → SaveImage costs it when all are handed over at once. */
export const FIXED_COST_MS = 2.8;

const perPrompt = ({ spanMs, prompts }: Usage) => spanMs / prompts;
const ratio = (a: Usage, b: Usage) => a.promptsPerSecond / b.promptsPerSecond;
const shown = (promptMs: number) => (promptMs === FIXED_COST_MS ? `0 (${FIXED_COST_MS})` : `${promptMs}`);

export function throughputTable(rows: readonly Throughput[]): string {
  const cells = rows.map(({ gpus, promptMs, direct, service, poll }) => [
    `${gpus} × ${shown(promptMs)} ms`,
    `${service.prompts}`,
    direct.promptsPerSecond.toFixed(2),
    service.promptsPerSecond.toFixed(2),
    ratio(service, direct).toFixed(3),
    (perPrompt(service) - perPrompt(direct)).toFixed(2),
    `${(100 * service.busy).toFixed(1)} %`,
    `${service.medianGapMs}`,
    `${service.longestGapMs}`,
    `${direct.medianGapMs} / ${direct.longestGapMs}`,
    poll === undefined ? '' : poll.promptsPerSecond.toFixed(2),
    poll === undefined ? '' : ratio(poll, direct).toFixed(3),
  ]);
  return table(
    'Throughput with a backlog, in prompts per second from the first start to the last end in the journals; gaps in ms',
    [
      'GPUs × prompt',
      'prompts',
      'direct',
      'service',
      'ratio',
      'adds ms',
      'busy',
      'gap p50',
      'longest',
      'direct gaps',
      'poll 1 s',
      'ratio',
    ],
    cells,
  );
}

export function finishTable({ side, bytes, ms }: Finish): string {
  return table(
    "From ComfyUI's end to the job's finished_at, in ms, one job after the other",
    ['picture', 'bytes', 'jobs', 'p50', 'p95', 'longest'],
    [
      [
        `${side}×${side}`,
        `${bytes}`,
        `${ms.length}`,
        ...[50, 95, 100].map((share) => percentile(ms, share).toFixed(0)),
      ],
    ],
  );
}

export function manyTable({ gpus, direct, service, peakBytes, cpu }: Many): string {
  return table(
    'One worker process with many instances of 1 s prompts (the simulators run in the benchmark’s own process)',
    ['GPUs', 'prompts', 'direct', 'service', 'ratio', 'busy', 'gap p50', 'longest', 'peak MiB', 'core'],
    [
      [
        `${gpus}`,
        `${service.prompts}`,
        direct.promptsPerSecond.toFixed(2),
        service.promptsPerSecond.toFixed(2),
        ratio(service, direct).toFixed(3),
        `${(100 * service.busy).toFixed(1)} %`,
        `${service.medianGapMs}`,
        `${service.longestGapMs}`,
        peakBytes === undefined ? 'unknown' : (peakBytes / MIB).toFixed(0),
        cpu === undefined ? 'unknown' : `${(100 * cpu).toFixed(0)} %`,
      ],
    ],
  );
}

/** Share of direct feeding that the service has to reach, by the time of a prompt. */
const LEAST_RATIO: ReadonlyMap<number, number> = new Map([
  [50, 0.95],
  [200, 0.98],
  [1000, 0.99],
]);

export function throughputGoals(rows: readonly Throughput[]): Goal[] {
  const goals = rows.map(({ gpus, promptMs, direct, service }): Goal => {
    const what = `${gpus} × ${shown(promptMs)} ms: `;
    const limit = LEAST_RATIO.get(promptMs);
    if (limit !== undefined) {
      return { what: `${what}service ÷ direct`, value: ratio(service, direct), unit: '', bound: 'at least', limit };
    }
    const value = perPrompt(service) - perPrompt(direct);
    return { what: `${what}added to a prompt`, value, unit: 'ms', bound: 'at most', limit: 3 };
  });
  const at200 = rows.filter(({ promptMs }) => promptMs === 200);
  const one = at200.find(({ gpus }) => gpus === 1);
  const four = at200.find(({ gpus }) => gpus === 4);
  if (one === undefined || four === undefined) return goals;
  const value = four.service.promptsPerSecond / (4 * one.service.promptsPerSecond);
  return [...goals, { what: 'four GPUs ÷ four times one, 200 ms', value, unit: '', bound: 'at least', limit: 0.95 }];
}

export function finishGoals({ ms }: Finish): Goal[] {
  const value = median(ms);
  return [{ what: "from ComfyUI's end to succeeded, p50", value, unit: 'ms', bound: 'at most', limit: 30 }];
}

/** That a worker drives them all, which at less than this it would not; the simulators have to share its two cores. */
const MANY_RATIO = 0.95;

export function manyGoals({ gpus, direct, service, peakBytes, cpu }: Many): Goal[] {
  const what = `${gpus} GPUs, one worker: `;
  const goals: Goal[] = [
    { what: `${what}service ÷ direct`, value: ratio(service, direct), unit: '', bound: 'at least', limit: MANY_RATIO },
  ];
  if (peakBytes !== undefined) {
    goals.push({ what: `${what}memory`, value: peakBytes / MIB, unit: 'MiB', bound: 'less than', limit: 250 });
  }
  if (cpu !== undefined) goals.push({ what: `${what}cores`, value: cpu, unit: '', bound: 'less than', limit: 1 });
  return goals;
}

export function realTable({ direct, service, poll, finishMs }: Real): string {
  const row = (name: string, usage: Usage) => [
    name,
    `${usage.prompts}`,
    usage.promptsPerSecond.toFixed(2),
    perPrompt(usage).toFixed(2),
    ratio(usage, direct).toFixed(3),
    `${usage.medianGapMs}`,
    `${usage.longestGapMs}`,
  ];
  const title = '64×64 EmptyImage → SaveImage, from the first start to the last end in its history; times in ms';
  const head = ['', 'prompts', 'per second', 'per prompt', 'of direct', 'gap p50', 'longest'];
  const rows = [row('all at once, directly', direct), row('the service', service), row('poll every second', poll)];
  const [p50, p95] = [50, 95].map((share) => percentile(finishMs, share).toFixed(0));
  return `${table(title, head, rows)}\n\nFrom its end to the job's finished_at: p50 ${p50} ms, p95 ${p95} ms (${finishMs.length} jobs)`;
}

export function realGoals({ direct, service, finishMs }: Real): Goal[] {
  const added = perPrompt(service) - perPrompt(direct);
  return [
    { what: 'added to a prompt', value: added, unit: 'ms', bound: 'at most', limit: 3 },
    {
      what: 'from its end to succeeded, p50',
      value: median(finishMs),
      unit: 'ms',
      bound: 'at most',
      limit: 30,
    },
  ];
}
