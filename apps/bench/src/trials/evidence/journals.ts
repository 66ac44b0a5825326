import type { JournalLine } from '@comfy-fleet/testing';
import type { Execution } from './evidence.js';

/** The executions that a simulator's journal tells of, in order. */
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
