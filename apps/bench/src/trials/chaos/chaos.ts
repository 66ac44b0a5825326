import { parseArgs } from 'node:util';
import { table } from '../../lib/report.js';
import { CHECKS, judge, type Verdict } from '../checks/promises.js';
import type { Evidence } from '../evidence/evidence.js';
import { gather, keepEvidence } from '../evidence/gather.js';
import { untilIdle } from '../evidence/observe.js';
import { makePictures } from '../orders/plan-orders.js';
import { runLoad } from '../people/load.js';
import { type Receiver, startReceiver } from '../people/receiver.js';
import type { TrialStack } from '../stack/stack.js';
import { describeBreaches, readSeed, runTrial } from '../trial.js';
import { clearFaults, killDispatchers, runFaults, runKills, runRestarts, runSicknesses } from './disturb.js';
import { makePlan, type Plan } from './plan.js';
import { CHAOS, restartsFileIn } from './settings.js';
import { startChaosStack } from './stack.js';

const USAGE = 'npm run chaos -- [--jobs 500] [--seed 7]: two whole numbers\n';

interface Options {
  readonly jobs: number;
  readonly seed: number;
}

/** Undefined if the arguments do not match USAGE. */
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

/** Kills processes and plants faults at random. Resolves to the exit code. */
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

interface JudgedRun extends Verdict {
  readonly seed: number;
  readonly evidence: Evidence;
}

export interface ChaosReport extends JudgedRun {
  /** The folder with logs, journals and the file of Redis, if a promise was broken. */
  readonly keptIn: string | undefined;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly jobs: number;
  /** Aborts the run: kills all processes, deletes all files, and rejects with the reason. */
  readonly signal: AbortSignal;
}

/**
 * Runs everything: starts the stack, orders jobs, kills and disturbs, waits until all is idle, and checks the promises.
 */
export function runChaos({ seed, jobs, signal }: ChaosOptions): Promise<ChaosReport> {
  return runTrial('chaos', signal, async ({ dir, scope }) => {
    const plan = makePlan(seed, jobs);
    const kills: Promise<void>[] = [];
    let stack: TrialStack | undefined;
    const receiver = await startReceiver(plan.jobs, (afterMs) => {
      if (stack !== undefined) kills.push(killDispatchers(stack, afterMs));
    });
    scope.onClose(() => receiver.close());
    stack = await startChaosStack(scope, dir, plan);
    return disturbAndJudge({ stack, receiver, kills, dir, plan });
  });
}

interface Run {
  readonly stack: TrialStack;
  readonly receiver: Receiver;
  /** Kills of dispatchers that calls of the receiver have triggered. */
  readonly kills: readonly Promise<void>[];
  readonly dir: string;
  readonly plan: Plan;
}

async function disturbAndJudge({ stack, receiver, kills, dir, plan }: Run): Promise<JudgedRun> {
  const orders = plan.jobs;
  const pictures = await makePictures(plan.seed);
  const over = new AbortController();
  const restarts = runRestarts(stack, restartsFileIn(dir), over.signal);
  const [load, , faults, sicknesses] = await Promise.all([
    runLoad(orders, { apiUrl: stack.apiUrl, receiverUrl: receiver.url, pictures }),
    runKills(stack, plan),
    runFaults(stack, plan),
    runSicknesses(stack, plan),
  ]);
  await clearFaults(stack);
  const seen = { settings: CHAOS, orders, load };
  const restMs = await untilIdle(stack, seen);
  over.abort();
  await Promise.all([...kills, restarts]);
  const evidence = await gather(stack, { ...seen, faults: [...faults, ...sicknesses], receiver });
  const { rows, breaches } = judge(CHECKS, evidence);
  if (breaches.length > 0) await keepEvidence(dir, stack.redis.dir, evidence);
  const length = [
    ['length of the disturbance, ms', plan.lengthMs] as const,
    ['until all was idle, ms', restMs] as const,
  ];
  return { seed: plan.seed, rows: [...length, ...rows], breaches, evidence };
}

/** The report as text, with a timeline for each broken promise. */
export function showReport({ seed, rows, breaches, keptIn }: ChaosReport): string {
  const settings = Object.entries(CHAOS).map(([name, value]) => `${name}=${value}`);
  const title = `chaos run, seed ${seed}; ${settings.join(' ')}`;
  return `${table(title, ['', ''], rows)}\n${describeBreaches({ breaches, keptIn })}`;
}
