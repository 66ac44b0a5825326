import type { ChaosReport } from './run.js';
import { CHAOS } from './settings.js';

/** The report as people read it; each breached job with all that is known of it. */
export function showReport({ seed, rows, breaches, keptIn }: ChaosReport): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const settings = Object.entries(CHAOS).map(([name, value]) => `${name}=${value}`);
  const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const described = breaches.flatMap(({ check, what, story }) => [
    `BREACH (${check}): ${what}`,
    ...story.map((line) => `    ${line}`),
  ]);
  return [
    `chaos run, seed ${seed}; ${settings.join(' ')}`,
    ...table,
    `breaches: ${breaches.length}`,
    ...described,
    ...(keptIn === undefined ? [] : [`logs, journals and evidence: ${keptIn}`]),
    '',
  ].join('\n');
}
