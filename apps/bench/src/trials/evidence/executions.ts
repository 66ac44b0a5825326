import type { JournalLine } from '@comfy-fleet/testing';
import { tally } from '../../lib/report.js';
import type { Outage } from '../stack/trial-process.js';
import type { Evidence, Execution } from './evidence.js';

/** The executions of each job, in the order of their starts. */
export function executionsByJob({ histories, executions }: Evidence): ReadonlyMap<string, readonly Execution[]> {
  const jobOf = new Map(histories.flatMap(({ id, submissions }) => submissions.map(({ promptId }) => [promptId, id])));
  const byJob = new Map<string, Execution[]>();
  for (const execution of [...executions].sort((a, b) => a.startedAt - b.startedAt)) {
    const jobId = jobOf.get(execution.promptId);
    if (jobId === undefined) continue;
    const list = byJob.get(jobId) ?? [];
    list.push(execution);
    byJob.set(jobId, list);
  }
  return byJob;
}

/** How often jobs were rendered: `once 120, 2 times 3`. */
export function renderingsPerJob(evidence: Evidence): string {
  const times = [...executionsByJob(evidence).values()].map(({ length }) =>
    length === 1 ? 'once' : `${length} times`,
  );
  return tally(times);
}

/** Whether its simulator was killed after it began and before `until`. Even a finished result may then be lost. */
export function diedUnder({ pid, startedAt }: Execution, until: number, { outages }: Evidence): boolean {
  return outages.some((outage) => outage.pid === pid && outage.killedAt >= startedAt && outage.killedAt <= until);
}

/** When the GPU stopped working on it: its end, or the death of its simulator; now, if neither has happened. */
export function endOf({ pid, endedAt }: Execution, { outages, gatheredAt }: Evidence): number {
  return endedAt ?? outages.find((outage) => outage.pid === pid)?.killedAt ?? gatheredAt;
}

/**
 * Executions whose history entry may be lost because of a planted fault: the first one to end after it was planted, and
 * those that ended while it was being planted.
 */
export function historyVictims({ faults, executions }: Evidence): ReadonlySet<Execution> {
  const victims = new Set<Execution>();
  const ended = executions.filter(({ endedAt, outcome }) => endedAt !== undefined && outcome !== 'lost');
  const sorted = [...ended].sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  for (const { kind, pid, plantedAt, thereBy } of faults) {
    if (kind !== 'lost_history') continue;
    const after = sorted.filter((execution) => execution.pid === pid && (execution.endedAt ?? 0) >= plantedAt);
    const victim = after.find((execution) => (execution.endedAt ?? 0) > thereBy && !victims.has(execution));
    for (const execution of after) if ((execution.endedAt ?? 0) <= thereBy) victims.add(execution);
    if (victim !== undefined) victims.add(victim);
  }
  return victims;
}

/** Whether it hung and ignored interrupts, because of a planted fault. */
export function isHung({ pid, outcome }: Execution, { faults }: Evidence): boolean {
  return outcome === undefined && faults.some((fault) => fault.kind === 'hung' && fault.pid === pid);
}

/** The executions in a simulator's journal, in order. */
export function executionsOf(simulator: string, lines: readonly JournalLine[]): Execution[] {
  const key = ({ pid, run }: JournalLine) => `${pid}/${run}`;
  const ends = new Map(lines.flatMap((line) => (line.event === 'end' ? [[key(line), line] as const] : [])));
  return lines.flatMap((line) => {
    if (line.event !== 'start') return [];
    const end = ends.get(key(line));
    return [
      {
        simulator,
        pid: line.pid,
        promptId: line.prompt_id,
        startedAt: line.started_at,
        endedAt: end?.ended_at,
        outcome: end?.outcome,
      },
    ];
  });
}

/** A span of time, in ms since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The length of the longest part of `whole` that none of the other spans covers, in ms. */
export function longestFree(whole: Span, taken: readonly Span[]): number {
  let longest = 0;
  let at = whole.from;
  for (const { from, to } of [...taken].sort((a, b) => a.from - b.from)) {
    longest = Math.max(longest, Math.min(from, whole.to) - at);
    at = Math.max(at, to);
  }
  return Math.max(longest, whole.to - at);
}

/** A restarted process needs this long, in ms, to take over the jobs of its predecessor. */
const TAKEOVER_MS = 1000;

/** When a process was down: from its death until a successor was ready and stayed up. */
export function absences(outages: readonly Outage[], process: string, now: number): Span[] {
  const merged: { from: number; to: number }[] = [];
  for (const { process: name, killedAt, upAt = now } of outages) {
    if (name !== process) continue;
    const last = merged.at(-1);
    if (last !== undefined && killedAt - last.to < TAKEOVER_MS) last.to = upAt;
    else merged.push({ from: killedAt, to: upAt });
  }
  return merged;
}
