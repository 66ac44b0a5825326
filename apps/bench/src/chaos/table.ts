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
    log.split('\n').flatMap((line) => (line.includes(jobId) ? [{ name, line: line.slice(0, 400) }] : [])),
  );
  const when = (line: string) => /"timestamp":"([^"]+)"/.exec(line)?.[1] ?? '';
  const sorted = lines.sort((a, b) => (when(a.line) < when(b.line) ? -1 : 1));
  return sorted.slice(-LINES).map(({ name, line }) => `    ${name}: ${line}`);
}
