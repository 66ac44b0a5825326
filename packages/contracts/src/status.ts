/** The states a caller sees, in the words of the Comfy API v2. */
export const JOB_STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const TERMINAL_STATUSES = ['succeeded', 'failed', 'canceled', 'expired'] as const;
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

/** Where a job stands inside the fleet; for operators, not for callers. */
export const JOB_PHASES = ['waiting', 'claimed', 'submitted', 'executing', 'collecting', 'ended'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return (TERMINAL_STATUSES as readonly JobStatus[]).includes(status);
}
