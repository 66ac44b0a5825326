import { parseArgs } from 'node:util';
import { CHECKS, judge, type Verdict } from '../checks/promises.js';
import type { Evidence } from '../evidence/evidence.js';
import { gather, keep } from '../evidence/gather.js';
import { untilRest } from '../evidence/observe.js';
import { makePictures } from '../orders/plan-orders.js';
import { runLoad } from '../people/load.js';
import { type Receiver, startReceiver } from '../people/receiver.js';
import type { TrialStack } from '../stack/stack.js';
import { readSeed, runTrial } from '../trial.js';
import { clearFaults, runFaults, runKills, runRestarts, runSicknesses, strikeDispatchers } from './disturb.js';
import { makePlan, type Plan } from './plan.js';
import { CHAOS, restartsFileIn } from './settings.js';
import { startChaosStack } from './stack.js';

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

interface JudgedRun extends Verdict {
  readonly seed: number;
  readonly evidence: Evidence;
}

export interface ChaosReport extends JudgedRun {
  /** The logs, journals and Redis' file; only when something was breached. */
  readonly keptIn: string | undefined;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly jobs: number;
  /** Ends the run in the middle: every process is killed, every file removed, and the promise rejects with its reason. */
  readonly signal: AbortSignal;
}

/** One whole run: starts the stack, gives it work, kills and disturbs it, lets it come to rest, and judges what it left. */
export function runChaos({ seed, jobs, signal }: ChaosOptions): Promise<ChaosReport> {
  return runTrial('chaos', signal, async ({ dir, scope }) => {
    const plan = makePlan(seed, jobs);
    const strikes: Promise<void>[] = [];
    let stack: TrialStack | undefined;
    const receiver = await startReceiver(plan.jobs, (afterMs) => {
      if (stack !== undefined) strikes.push(strikeDispatchers(stack, afterMs));
    });
    scope.onClose(() => receiver.close());
    stack = await startChaosStack(scope, dir, plan.callers);
    return disturbAndJudge({ stack, receiver, strikes, dir, plan });
  });
}

interface Scene {
  readonly stack: TrialStack;
  readonly receiver: Receiver;
  /** What the receiver's calls have set off. */
  readonly strikes: readonly Promise<void>[];
  readonly dir: string;
  readonly plan: Plan;
}

async function disturbAndJudge({ stack, receiver, strikes, dir, plan }: Scene): Promise<JudgedRun> {
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
  const restMs = await untilRest(stack, seen);
  over.abort();
  await Promise.all([...strikes, restarts]);
  const evidence = await gather(stack, { ...seen, faults: [...faults, ...sicknesses], receiver });
  const { rows, breaches } = judge(CHECKS, evidence);
  if (breaches.length > 0) await keep(dir, stack.redis.dir, evidence);
  const length = [['length of the disturbance, ms', plan.lengthMs] as const, ['until rest, ms', restMs] as const];
  return { seed: plan.seed, rows: [...length, ...rows], breaches, evidence };
}

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
