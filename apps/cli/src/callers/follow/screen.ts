import type { Job, JobProgress } from '@comfy-fleet/client';
import { createLogUpdate } from 'log-update';
import type { Output, Terminal } from '../../command.js';
import { plain } from '../../plain.js';
import { drawPicture } from '../pictures/draw-picture.js';
import type { Graphics } from '../pictures/graphics.js';
import { ending } from '../words.js';
import { jobLine } from './bar.js';
import { createLivePicture } from './live-picture.js';
import type { Report } from './report.js';

const REDRAW_MS = 250;

/** A bar, above it the picture as it comes to be, and when the job has ended the picture itself, or where it is. */
export function createScreen(terminal: Terminal, { result }: Output, graphics: Graphics | undefined): Report {
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
