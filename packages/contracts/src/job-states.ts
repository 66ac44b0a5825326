/** The states of a job that callers see, in the words of the Comfy API v2. */
export const JOB_STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const TERMINAL_STATUSES = ['succeeded', 'failed', 'canceled', 'expired'] as const;
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

/** The phase of a job inside the fleet; for operators, not for callers. */
export const JOB_PHASES = ['waiting', 'claimed', 'submitted', 'executing', 'collecting', 'ended'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return (TERMINAL_STATUSES as readonly JobStatus[]).includes(status);
}

interface Transition<S extends string> {
  readonly from: S;
  readonly to: S;
  readonly by: readonly ('api' | 'worker' | 'dispatcher')[];
  readonly when: string;
}

/**
 * Every change of status. Each emits its event and, where `callback` is true, notifies the job's webhook. A job begins
 * as `queued` and `waiting`, without an event. Lua's constants and the diagram in docs/architecture/job-life.md are
 * generated from these tables.
 */
export const STATUS_TRANSITIONS: readonly (Transition<JobStatus> & {
  readonly event: 'status';
  readonly callback: boolean;
})[] = [
  step('queued', 'running', ['worker'], 'ComfyUI begins to execute'),
  step('running', 'queued', ['worker'], 'lost, or to be retried'),
  step('queued', 'canceling', ['api', 'dispatcher'], 'canceled while a worker holds it'),
  step('running', 'canceling', ['api', 'dispatcher'], 'canceled'),
  step('queued', 'succeeded', ['worker', 'api'], 'ended before a worker noticed its beginning, or reuses outputs'),
  step('running', 'succeeded', ['worker'], 'outputs are stored'),
  step('queued', 'failed', ['worker'], 'rejected, refused too often, or its workers died'),
  step('running', 'failed', ['worker'], 'an error, or its workers died'),
  step('queued', 'expired', ['worker', 'dispatcher'], 'start deadline passed'),
  step('queued', 'canceled', ['api', 'dispatcher', 'worker'], 'canceled while it waits'),
  step('running', 'canceled', ['worker'], 'stopped'),
  step('canceling', 'canceled', ['worker'], 'ComfyUI has stopped'),
];

/** Every change of phase; none has an event. */
export const PHASE_TRANSITIONS: readonly Transition<JobPhase>[] = [
  phase(['waiting'], 'claimed', 'a worker claims it'),
  phase(['claimed'], 'submitted', 'a prompt is given to ComfyUI'),
  phase(['claimed', 'submitted'], 'executing', 'ComfyUI begins to execute'),
  phase(['claimed', 'submitted', 'executing'], 'collecting', 'ComfyUI is done'),
  phase(['submitted', 'executing', 'collecting'], 'claimed', 'the prompt is lost, or another worker claims it'),
  phase(['claimed', 'submitted', 'executing', 'collecting'], 'waiting', 'given back'),
  phase(['waiting', 'claimed', 'submitted', 'executing', 'collecting'], 'ended', 'its status is terminal'),
].flat();

function step<F extends JobStatus, T extends JobStatus>(from: F, to: T, by: Transition<JobStatus>['by'], when: string) {
  return { from, to, by, when, event: 'status', callback: isTerminal(to) } as const;
}

function phase(froms: readonly JobPhase[], to: JobPhase, when: string): Transition<JobPhase>[] {
  return froms.map((from) => ({ from, to, by: to === 'ended' ? ['api', 'worker', 'dispatcher'] : ['worker'], when }));
}

/** Whether a job may change from one status or phase to the other. */
export function may(from: JobStatus | JobPhase, to: JobStatus | JobPhase): boolean {
  return [...STATUS_TRANSITIONS, ...PHASE_TRANSITIONS].some((one) => one.from === from && one.to === to);
}
