import type { FleetError, JobHandle } from '@comfy-fleet/client';
import { createLogUpdate } from 'log-update';
import type { CommandIo } from '../../command.js';
import { widthOf } from '../../table.js';
import { duration, plain } from '../../text.js';
import { bar } from '../progress-bar.js';
import type { SavedFile } from '../save-outputs.js';
import { jobSummary } from '../show-job.js';

/** Shows the progress of the rows of a file. */
export interface SheetReport {
  /** Sets how many jobs are open. */
  open(count: number): void;
  file(line: number, file: SavedFile): void;
  ended(line: number, job: JobHandle): void;
  /** The row made no job. */
  refused(line: number, error: FleetError): void;
  close(): void;
}

const REDRAW_MS = 250;

/** Draws one bar for all rows on a terminal; elsewhere writes JSON lines. */
export function createSheetReport(
  io: CommandIo,
  { total, json = false }: { readonly total: number; readonly json?: boolean },
): SheetReport {
  const { terminal, result, info } = io;
  if (terminal === undefined || json) {
    const write = (type: string, line: number, data: unknown) => result(JSON.stringify({ type, line, data }));
    return {
      open: () => {},
      file: (line, file) => write('file', line, file),
      ended: (line, { snapshot }) => write('status', line, snapshot),
      refused: (line, { code, status, message, errors }) =>
        write('refused', line, { code, status, detail: message, errors }),
      close: () => {},
    };
  }
  const update = createLogUpdate(terminal as NodeJS.WriteStream);
  const started = Date.now();
  let begun = performance.now();
  let running = 0;
  let done = 0;
  let known = 0; // jobs of an earlier run, which do not show how long a job takes
  let bad = 0;
  let isClosed = false;
  const draw = () => {
    const made = done - known;
    const left = made === 0 ? 0 : ((performance.now() - begun) / 1000 / made) * (total - done);
    const parts = [
      `${done} of ${total}`,
      `${running} open`,
      ...(bad === 0 ? [] : [`${bad} failed`]),
      ...(left < 1 ? [] : [`about ${duration(left)} left`]),
    ];
    update(bar(done / Math.max(1, total), parts, widthOf(terminal)));
  };
  const timer = setInterval(draw, REDRAW_MS);
  /** Writes a text above the bar. */
  const above = (text: string) => {
    update.clear();
    info(text);
    draw();
  };
  return {
    open: (count) => {
      running = count;
      draw();
    },
    file: () => {},
    ended: (line, { snapshot }) => {
      done += 1;
      running -= 1;
      if (Date.parse(snapshot.created_at) < started) {
        known += 1;
        begun = performance.now();
      }
      if (snapshot.status === 'succeeded') return draw();
      bad += 1;
      above(`line ${line}: ${jobSummary(snapshot)}`);
    },
    refused: (line, { message }) => {
      done += 1;
      bad += 1;
      above(`line ${line}: ${plain(message)}`);
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      clearInterval(timer);
      update.clear(); // also removes the ^C that the terminal echoed behind it
      draw();
      update.done();
    },
  };
}
