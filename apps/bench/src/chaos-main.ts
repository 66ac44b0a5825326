import { parseArgs } from 'node:util';
import { runChaos } from './chaos/run.js';
import { showReport } from './chaos/table.js';

const USAGE = 'npm run chaos -- [--jobs 500] [--seed 7]';

/** A whole number of at least `least`; undefined when it is none. */
function whole(text: string, least: number): number | undefined {
  const number = Number(text);
  return Number.isSafeInteger(number) && number >= least ? number : undefined;
}

const { values } = parseArgs({ options: { jobs: { type: 'string' }, seed: { type: 'string' } } });
const jobs = whole(values.jobs ?? '500', 1);
const seed = whole(values.seed ?? `${Date.now() % 1_000_000}`, 0);
if (jobs === undefined || seed === undefined) {
  process.stderr.write(`${USAGE}: both are whole numbers\n`);
  process.exitCode = 2;
} else {
  process.stdout.write(`chaos run with ${jobs} jobs, seed ${seed}\n`);
  const report = await runChaos(seed, jobs);
  process.stdout.write(showReport(report));
  process.exitCode = report.breaches.length === 0 ? 0 : 1;
}
