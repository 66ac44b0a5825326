import { parseArgs } from 'node:util';
import { showReport } from './trials/chaos/report.js';
import { runChaos } from './trials/chaos/run.js';

const USAGE = 'npm run chaos -- [--jobs 500] [--seed 7]: two whole numbers\n';
const STOPPED = 130;

interface Options {
  readonly jobs: number;
  readonly seed: number;
}

/** Undefined when the arguments are not what USAGE says. Without a seed one is drawn. */
function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({ options: { jobs: { type: 'string' }, seed: { type: 'string' } } });
    const [jobs, seed] = [Number(values.jobs ?? '500'), Number(values.seed ?? `${Date.now() % 1_000_000}`)];
    return Number.isSafeInteger(jobs) && jobs > 0 && Number.isSafeInteger(seed) ? { jobs, seed } : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves to the exit code. */
async function main(signal: AbortSignal): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { jobs, seed } = options;
  process.stdout.write(`chaos run with ${jobs} jobs, seed ${seed}\n`);
  const report = await runChaos({ seed, jobs, signal });
  process.stdout.write(showReport(report));
  return report.breaches.length === 0 ? 0 : 1;
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
main(stop.signal).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (!stop.signal.aborted) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(stop.signal.aborted ? STOPPED : 1);
  },
);
