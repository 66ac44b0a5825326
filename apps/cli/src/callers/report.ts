import type { Job, JobHandle, JobPreview, JobProgress } from '@comfy-fleet/client';
import { createLogUpdate } from 'log-update';
import type { Output, Surroundings, Terminal } from '../command.js';
import { ending, plain } from '../text.js';
import { jobLine } from './progress-bar.js';
import type { SavedFile } from './save-outputs.js';
import { createLivePicture, drawPicture, type Graphics, graphicsOf } from './terminal-pictures.js';

/** Tells somebody how jobs get on. */
export interface Report {
  job(job: Job): void;
  progress(progress: JobProgress): void;
  /** How its picture looks so far. */
  preview(preview: JobPreview): void;
  file(file: SavedFile): void;
  /** It has ended, and its files are where they are to be. */
  ended(job: JobHandle): Promise<void>;
  /** Nothing more is told. */
  close(): void;
}

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

const REDRAW_MS = 250;

/** A bar, above it the picture as it comes to be, and when the job has ended the picture itself, or where it is. */
function createScreen(terminal: Terminal, { result }: Output, graphics: Graphics | undefined): Report {
  const update = createLogUpdate(terminal as NodeJS.WriteStream);
  const picture = createLivePicture(terminal, graphics);
  let job: Job | undefined;
  let progress: JobProgress | undefined;
  let heard = 0;
  let files = 0;
  const draw = () => {
    if (job === undefined || progress === undefined) return;
    const line = jobLine(job, progress, (performance.now() - heard) / 1000, terminal.columns ?? 80);
    update('\n'.repeat(picture.rows) + line);
  };
  const timer = setInterval(draw, REDRAW_MS); // what is left gets less
  const clear = () => {
    job = undefined;
    picture.close();
    update.clear();
    update.done();
  };
  return {
    job: (now) => {
      job = now;
      progress = now.progress;
      heard = performance.now();
      draw();
    },
    progress: (now) => {
      progress = now;
      draw();
    },
    preview: (now) => void picture.draw(now, draw),
    file: ({ path }) => {
      clear();
      files += 1;
      result(plain(path));
    },
    ended: async (handle) => {
      clear();
      if (graphics !== undefined) for (const output of handle.outputs) await drawPicture(terminal, graphics, output);
      if (files === 0) for (const { href } of handle.outputs) result(plain(href));
      result(ending(handle.snapshot));
    },
    close: () => {
      clearInterval(timer);
      clear();
    },
  };
}
