import type { Job, JobHandle, JobPreview, JobProgress } from '@comfy-fleet/client';
import { createLogUpdate } from 'log-update';
import type { CommandIo, Output, Terminal } from '../command.js';
import { widthOf } from '../table.js';
import { plain } from '../text.js';
import { jobLine } from './progress-bar.js';
import type { SavedFile } from './save-outputs.js';
import { jobSummary } from './show-job.js';
import { createLivePicture, drawPicture, type Graphics, graphicsOf } from './terminal-pictures.js';

/** Shows the progress of a job. */
export interface Report {
  job(job: Job): void;
  progress(progress: JobProgress): void;
  /** Shows the unfinished picture. */
  preview(preview: JobPreview): void;
  file(file: SavedFile): void;
  /** The job has ended, and its files are saved. */
  ended(job: JobHandle): Promise<void>;
  /** Ends the report; nothing more is shown. */
  close(): void;
}

export interface ReportOptions {
  /** Writes JSON lines even on a terminal. */
  readonly json?: boolean;
  /** The protocol for pictures; false: draw none; undefined: detect what the terminal supports. */
  readonly picture?: Graphics | false;
}

/** Draws on a terminal; elsewhere writes JSON lines: the API's events, and a `file` for each saved file. */
export function createReport(io: CommandIo, { json = false, picture }: ReportOptions): Report {
  const { terminal, result, env } = io;
  if (terminal !== undefined && !json) {
    const graphics = picture === false ? undefined : (picture ?? graphicsOf(env));
    return createScreen(terminal, io, graphics);
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

/** Draws a progress bar below the live preview; at the end the picture itself and where it is. */
function createScreen(terminal: Terminal, { result }: Output, graphics: Graphics | undefined): Report {
  const update = createLogUpdate(terminal as NodeJS.WriteStream);
  const picture = createLivePicture(terminal, graphics);
  let job: Job | undefined;
  let progress: JobProgress | undefined;
  let heard = 0;
  let files = 0;
  const draw = () => {
    if (job === undefined || progress === undefined) return;
    const line = jobLine(job, progress, (performance.now() - heard) / 1000, widthOf(terminal));
    update('\n'.repeat(picture.rows) + line);
  };
  const timer = setInterval(draw, REDRAW_MS); // the remaining time counts down between events
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
      result(jobSummary(handle.snapshot));
    },
    close: () => {
      clearInterval(timer);
      clear();
    },
  };
}
