import { callsByJob } from './calls-by-job.js';
import type { Evidence } from './evidence.js';

/** How long before the first and after the last event of a job the events of processes are shown, in ms. */
const AROUND_MS = 3000;

/**
 * All events of one job in chronological order: its record, executions, webhooks, logs, and what happened to processes.
 */
export function timeline(jobId: string, evidence: Evidence): string[] {
  const own = [...recorded(jobId, evidence), ...called(jobId, evidence), ...logged(jobId, evidence)];
  const times = own.map(({ at }) => at);
  const [from, to] = [Math.min(...times) - AROUND_MS, Math.max(...times) + AROUND_MS];
  const around = disturbances(evidence).filter(({ at }) => at >= from && at <= to);
  return [...own, ...around].sort((a, b) => a.at - b.at).map(({ at, what }) => `${new Date(at).toISOString()} ${what}`);
}

interface Moment {
  readonly at: number;
  readonly what: string;
}

function recorded(jobId: string, { histories, executions, cancels }: Evidence): Moment[] {
  const history = histories.find(({ id }) => id === jobId);
  const prompts = new Set(history?.submissions.map(({ promptId }) => promptId));
  const executed = executions.filter(({ promptId }) => prompts.has(promptId));
  return [
    ...(history?.statuses.map(({ at, status }) => ({ at, what: `STATUS ${status}` })) ?? []),
    ...executed.flatMap(({ simulator, pid, promptId, startedAt, endedAt, outcome }) => [
      { at: startedAt, what: `EXECUTION of ${promptId} begins in ${simulator} (pid ${pid})` },
      ...(endedAt === undefined ? [] : [{ at: endedAt, what: `EXECUTION of ${promptId} ends: ${outcome}` }]),
    ]),
    ...cancels
      .filter((cancel) => cancel.jobId === jobId)
      .map(({ answeredAt, status, jobStatus }) => ({
        at: answeredAt,
        what: `CANCEL ${jobStatus ?? status ?? 'unanswered'}`,
      })),
  ];
}

function called(jobId: string, evidence: Evidence): Moment[] {
  const calls = callsByJob(evidence).get(jobId) ?? [];
  const attempts = evidence.deliveries.get(jobId)?.attempts ?? [];
  return [
    ...calls.map(({ at, type, answer }) => ({
      at,
      what: `CALL of the receiver with ${type}: ${JSON.stringify(answer)}`,
    })),
    ...attempts.map((attempt) => ({
      at: Date.parse(attempt.at),
      what: `ATTEMPT in the log: ${JSON.stringify(attempt)}`,
    })),
  ];
}

function logged(jobId: string, { processes }: Evidence): Moment[] {
  return processes.flatMap(({ name, log }) =>
    log.split('\n').flatMap((line) => {
      // Requests of the run itself are left out.
      if (!line.includes(jobId) || line.includes('"method":"GET"')) return [];
      try {
        const { timestamp, level, message, job, service, error, ...rest } = JSON.parse(line) as Record<string, unknown>;
        const why = (error as Error | undefined)?.message ?? '';
        const what = `${name} ${level}: ${message} ${JSON.stringify(rest)} ${why}`;
        return [{ at: Date.parse(`${timestamp}`), what: what.slice(0, 300) }];
      } catch {
        return [];
      }
    }),
  );
}

function disturbances({ outages, faults }: Evidence): Moment[] {
  return [
    ...outages.flatMap(({ process, pid, killedAt, upAt }) => [
      { at: killedAt, what: `KILL ${process} (pid ${pid})` },
      ...(upAt === undefined ? [] : [{ at: upAt, what: `UP ${process}` }]),
    ]),
    ...faults.map(({ simulator, kind, plantedAt }) => ({ at: plantedAt, what: `FAULT ${kind} in ${simulator}` })),
  ];
}
