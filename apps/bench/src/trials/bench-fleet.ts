import { parseArgs } from 'node:util';
import { runFailover } from './failover/failover.js';
import { runPanels } from './panels/panels.js';
import { runRolling } from './rolling/rolling.js';
import { describeBreaches, type PhaseOptions, type PhaseReport, readSeed, runTrial } from './trial.js';

interface FleetOptions extends PhaseOptions {
  /** The folder of a built checkout: the version with which `rolling` starts. */
  readonly before: string | undefined;
}

type Phase = (options: FleetOptions) => Promise<PhaseReport>;

const PHASES: Readonly<Record<string, Phase>> = {
  panels: (options) => runPanels({ ...options, seconds: 45, jobs: 80 }),
  rolling: (options) => runRolling({ ...options, everyMs: 250, restMs: 1500 }),
  failover: (options) => runFailover({ ...options, jobs: 120 }),
};

const USAGE = `npm run bench:fleet -- [${Object.keys(PHASES).join('|')}] [--seed 7] [--before FOLDER]: all of them unless one is named\n`;

interface Options {
  readonly phases: readonly string[];
  readonly seed: number;
  readonly before: string | undefined;
}

/** Undefined if the arguments do not match USAGE. */
function readOptions(args: readonly string[]): Options | undefined {
  try {
    const options = { seed: { type: 'string' }, before: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const seed = readSeed(values.seed);
    const phases = positionals.length === 0 ? Object.keys(PHASES) : positionals;
    return seed !== undefined && phases.every((name) => name in PHASES)
      ? { phases, seed, before: values.before }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Runs one phase and prints its report. Resolves to whether all promises were kept. */
async function runPhase(name: string, { seed, before }: Options, signal: AbortSignal): Promise<boolean> {
  const print = (line: string) => process.stdout.write(`  ${name}: ${line}\n`);
  const phase = PHASES[name] as Phase;
  const report = await runTrial(name, signal, (context) => phase({ ...context, seed, before, print }));
  process.stdout.write(`${report.tables.join('\n')}\n\n${describeBreaches(report)}`);
  return report.breaches.length === 0;
}

/**
 * Tries a whole fleet behind nginx: its dashboard, its restart, and the loss of the Redis primary. Resolves to the exit
 * code.
 */
export async function benchFleet(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { phases, seed } = options;
  process.stdout.write(`the whole fleet, seed ${seed}: ${phases.join(', ')}\n`);
  let isGood = true;
  for (const name of phases) isGood = (await runPhase(name, options, signal)) && isGood;
  return isGood ? 0 : 1;
}
