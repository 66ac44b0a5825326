import type { Surroundings } from '../../command.js';
import { type Graphics, graphicsOf } from '../pictures/graphics.js';
import type { Report } from './report.js';
import { createScreen } from './screen.js';

export interface ReportOptions {
  /** JSON lines, also on a terminal. */
  readonly json?: boolean;
  /** The way in which pictures are drawn; false: not at all; undefined: as the terminal can, if it can. */
  readonly picture?: Graphics | false;
}

/** For a person at a terminal, otherwise JSON lines: the events of the API, and a `file` for each that is written. */
export function createReport(surroundings: Surroundings, { json = false, picture }: ReportOptions): Report {
  const { terminal, result, env } = surroundings;
  if (terminal !== undefined && !json) {
    const graphics = picture === false ? undefined : (picture ?? graphicsOf(env));
    return createScreen(terminal, surroundings, graphics);
  }
  const line = (type: string, data: unknown) => result(JSON.stringify({ type, data }));
  return {
    job: (job) => line('status', job),
    progress: (progress) => line('progress', progress),
    preview: () => {},
    file: (file) => line('file', file),
    ended: async () => {},
    close: () => {},
  };
}
