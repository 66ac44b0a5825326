import type { FleetError, JobHandle } from '@comfy-fleet/client';
import { createLogUpdate } from 'log-update';
import type { Surroundings } from '../../command.js';
import { duration, ending, plain } from '../../text.js';
import { bar } from '../progress-bar.js';
import type { SavedFile } from '../save-outputs.js';

/** Tells somebody how the rows of a file get on. */
export interface SheetReport {
  /** How many jobs are under way. */
  under(count: number): void;
  file(line: number, file: SavedFile): void;
  ended(line: number, job: JobHandle): void;
  /** The row made no job. */
  refused(line: number, error: FleetError): void;
  close(): void;
}

const REDRAW_MS = 250;

/** One bar over all rows for a person at a terminal, otherwise JSON lines. */
export function createSheetReport(
  surroundings: Surroundings,
  { total, json = false }: { readonly total: number; readonly json?: boolean },
): SheetReport {
  const { terminal, result, say } = surroundings;
  if (terminal === undefined || json) {
    const write = (type: string, line: number, data: unknown) => result(JSON.stringify({ type, line, data }));
    return {
      under: () => {},
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
  let known = 0; // of an earlier run: they say nothing of how long one takes
  let bad = 0;
  let isClosed = false;
  const draw = () => {
    const made = done - known;
    const left = made === 0 ? 0 : ((performance.now() - begun) / 1000 / made) * (total - done);
    const parts = [
      `${done} of ${total}`,
      `${running} under way`,
      ...(bad === 0 ? [] : [`${bad} failed`]),
      ...(left < 1 ? [] : [`about ${duration(left)} left`]),
    ];
    update(bar(done / Math.max(1, total), parts, terminal.columns ?? 80));
  };
  const timer = setInterval(draw, REDRAW_MS);
  /** Lines of text stand above the bar. */
  const above = (text: string) => {
    update.clear();
    say(text);
    draw();
  };
  return {
    under: (count) => {
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
      above(`line ${line}: ${ending(snapshot)}`);
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
      update.clear(); // also the ^C that the terminal wrote behind it
      draw();
      update.done();
    },
  };
}
