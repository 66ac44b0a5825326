import type { Surroundings } from '../../command.js';
import type { Report } from './report.js';
import { createScreen } from './screen.js';

export interface ReportOptions {
  /** JSON lines, also on a terminal. */
  readonly json?: boolean;
  /** Draws pictures where the terminal can. */
  readonly picture: boolean;
}

/** For a person at a terminal, otherwise JSON lines: the events of the API, and a `file` for each that is written. */
export function createReport(surroundings: Surroundings, { json = false, picture }: ReportOptions): Report {
  const { terminal, result } = surroundings;
  if (terminal !== undefined && !json) return createScreen(terminal, surroundings, picture);
  const line = (type: string, data: unknown) => result(JSON.stringify({ type, data }));
  return {
    job: (job) => line('status', job),
    progress: (progress) => line('progress', progress),
    file: (file) => line('file', file),
    ended: async () => {},
    close: () => {},
  };
}
