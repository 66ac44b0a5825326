import { tally } from '../../lib/report.js';
import type { Breach, Check } from '../evidence/evidence.js';
import { LIFE_ENDS } from '../stack/trial-process.js';

interface LogLine {
  readonly level?: string;
  readonly message?: string;
}

/** Words in the messages of unexpected errors. */
const UNEXPECTED = /internal_error|unexpected|reason of our own|unhandled/i;

/** No process ended by itself, printed a stack trace, or logged an unexpected error. */
export const processes: Check = ({ processes: all, posts, cancels, outages, faults }) => {
  const breaches: Breach[] = [];
  const errors: string[] = [];
  for (const { name, troubles, log } of all) {
    for (const trouble of troubles) breaches.push({ what: `${name} ${trouble}` });
    for (const life of log.split(LIFE_ENDS)) {
      // The kill cut off the line after the last line break.
      for (const line of life.split('\n').slice(0, -1)) {
        const read = readLine(line);
        if (read === undefined) breaches.push({ what: `${name} printed: ${line}` });
        else if (read.level === 'error') {
          errors.push(`"${read.message}"`);
          // Names of functions in a stack may contain these words.
          const said = JSON.stringify(read, (key, value) => (key === 'stack' ? undefined : value));
          if (UNEXPECTED.test(said)) breaches.push({ what: `${name} logged: ${line.slice(0, 1000)}` });
        }
      }
    }
  }
  for (const { status, body } of [...posts, ...cancels]) {
    if (status !== undefined && status !== 202 && status !== 200 && status !== 503) {
      breaches.push({ what: `the api answered ${status}: ${JSON.stringify(body)}` });
    }
  }
  return {
    rows: [
      ['kills by process', tally(outages.map(({ process }) => process))],
      ['faults by kind', tally(faults.map(({ kind }) => kind))],
      ['error lines in the logs', tally(errors)],
    ],
    breaches,
  };
};

function readLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}
