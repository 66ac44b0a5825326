import type { ChaosReport } from './run.js';
import { CHAOS } from './settings.js';

/** Log lines shown with a breach. */
const LINES = 40;

/** The report as people read it. */
export function showReport({ seed, rows, breaches, evidence, keptIn }: ChaosReport): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const settings = Object.entries(CHAOS).map(([name, value]) => `${name}=${value}`);
  const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const described = breaches.flatMap(({ check, what, jobId }) => [
    `BREACH (${check}): ${what}`,
    ...(jobId === undefined ? [] : linesAbout(jobId, evidence.processes)),
  ]);
  return [
    `chaos run, seed ${seed}; ${settings.join(' ')}`,
    ...table,
    `breaches: ${breaches.length}`,
    ...described,
    ...(keptIn === undefined ? [] : [`logs and evidence: ${keptIn}`]),
    '',
  ].join('\n');
}

function linesAbout(jobId: string, processes: ChaosReport['evidence']['processes']): string[] {
  const lines = processes.flatMap(({ name, log }) =>
    log.split('\n').flatMap((line) => (line.includes(jobId) ? [shortened(name, line)] : [])),
  );
  return lines.sort().slice(-LINES);
}

/** What happened comes first, its stack not at all. */
function shortened(process: string, line: string): string {
  try {
    const { timestamp, level, message, job, service, error, ...rest } = JSON.parse(line) as Record<string, unknown>;
    const why = (error as Error | undefined)?.message ?? '';
    return `    ${timestamp} ${process} ${level}: ${message} ${JSON.stringify(rest)} ${why}`.slice(0, 300);
  } catch {
    return `    ${process}: ${line.slice(0, 300)}`;
  }
}
