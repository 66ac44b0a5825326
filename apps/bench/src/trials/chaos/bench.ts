import { parseArgs } from 'node:util';
import { readSeed } from '../trial.js';
import { showReport } from './report.js';
import { runChaos } from './run.js';

const USAGE = 'npm run chaos -- [--jobs 500] [--seed 7]: two whole numbers\n';

interface Options {
  readonly jobs: number;
  readonly seed: number;
}

/** Undefined when the arguments are not what USAGE says. */
function readOptions(args: readonly string[]): Options | undefined {
  try {
    const options = { jobs: { type: 'string' }, seed: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const [jobs, seed] = [Number(values.jobs ?? '500'), readSeed(values.seed)];
    return Number.isSafeInteger(jobs) && jobs > 0 && seed !== undefined ? { jobs, seed } : undefined;
  } catch {
    return undefined;
  }
}

/** Kills and disturbs everything at random. Resolves to the exit code. */
export async function benchChaos(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = readOptions(args);
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
