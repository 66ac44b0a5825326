import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { aborted } from './lib/aborted.js';
import { Scope } from './lib/scope.js';
import { runFailover } from './trials/failover/failover.js';
import { runPanels } from './trials/panels/panels.js';
import type { PhaseOptions, PhaseReport } from './trials/phase.js';
import { runRolling } from './trials/rolling/rolling.js';

type Phase = (options: PhaseOptions) => Promise<PhaseReport>;

const PHASES: Readonly<Record<string, Phase>> = {
  panels: (options) => runPanels({ ...options, seconds: 45, jobs: 80 }),
  rolling: (options) => runRolling({ ...options, everyMs: 250, restMs: 1500 }),
  failover: (options) => runFailover({ ...options, jobs: 120 }),
};

const USAGE = `npm run bench:fleet -- [${Object.keys(PHASES).join('|')}] [--seed 7]: all of them unless one is named\n`;
const STOPPED = 130;

interface Options {
  readonly phases: readonly string[];
  readonly seed: number;
}

/** Undefined when the arguments are not what USAGE says. Without a seed one is drawn. */
function readOptions(): Options | undefined {
  try {
    const { values, positionals } = parseArgs({ options: { seed: { type: 'string' } }, allowPositionals: true });
    const seed = Number(values.seed ?? `${Date.now() % 1_000_000}`);
    const phases = positionals.length === 0 ? Object.keys(PHASES) : positionals;
    return Number.isSafeInteger(seed) && phases.every((name) => name in PHASES) ? { phases, seed } : undefined;
  } catch {
    return undefined;
  }
}

/** Runs one phase in a folder of its own, which stays when something is wrong. Resolves to whether nothing is. */
async function runPhase(name: string, seed: number, signal: AbortSignal): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), `comfy-fleet-${name}-`));
  const say = (line: string) => process.stdout.write(`  ${name}: ${line}\n`);
  const scope = new Scope();
  let keeps = false;
  try {
    const { tables, broken } = await Promise.race([
      (PHASES[name] as Phase)({ seed, dir, scope, say }),
      aborted(signal),
    ]);
    process.stdout.write(`${tables.join('\n')}\n\n${name}: ${broken.length} promises broken\n`);
    for (const { check, what, story = [] } of broken) {
      process.stdout.write(`BROKEN (${check}): ${what}\n${story.map((line) => `    ${line}\n`).join('')}`);
    }
    keeps = broken.length > 0;
    return !keeps;
  } finally {
    await scope.close();
    if (keeps) process.stdout.write(`logs, journals and evidence: ${dir}\n`);
    else await rm(dir, { recursive: true, force: true });
  }
}

/** Resolves to the exit code. */
async function main(signal: AbortSignal): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { phases, seed } = options;
  process.stdout.write(`the whole fleet, seed ${seed}: ${phases.join(', ')}\n`);
  let isGood = true;
  for (const name of phases) isGood = (await runPhase(name, seed, signal)) && isGood;
  return isGood ? 0 : 1;
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
