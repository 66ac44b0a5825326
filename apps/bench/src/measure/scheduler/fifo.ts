import type { Scheduler } from './simulation.js';

/** The baseline: who comes first is served first. */
export function fifo(): Scheduler {
  const ids: string[] = [];
  let next = 0;
  return {
    submit: async (jobs) => {
      for (const { id } of jobs) ids.push(id);
    },
    claim: async () => (next < ids.length ? ids[next++] : undefined),
    end: async () => undefined,
  };
}
