import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aborted } from '../../lib/aborted.js';
import { CHECKS } from '../checks/all.js';
import type { Breach } from '../checks/check.js';
import type { Evidence } from '../evidence/evidence.js';
import { gather } from '../evidence/gather.js';
import { keep } from '../evidence/keep.js';
import { untilRest } from '../evidence/rest.js';
import { makePictures } from '../orders/pictures.js';
import { makePlan, type Plan, simulatorNames } from '../orders/plan.js';
import { runLoad } from '../people/load.js';
import { type Receiver, startReceiver } from '../people/receiver.js';
import { type Fleet, startProcesses } from '../stack/stack.js';
import { clearFaults, runFaults, runKills, strikeDispatchers } from './disturb.js';
import { CHAOS, restartsFileIn } from './settings.js';
import { runRestarts, runSicknesses } from './sickness.js';

export interface ChaosReport {
  readonly seed: number;
  readonly rows: readonly (readonly [string, number | string])[];
  /** By the name of their check. */
  readonly breaches: readonly (Breach & { readonly check: string })[];
  readonly evidence: Evidence;
  /** The logs, journals and Redis' file; only when something was breached. */
  readonly keptIn: string | undefined;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly jobs: number;
  /** Ends the run in the middle: every process is killed, every file removed, and the promise rejects with its reason. */
  readonly signal: AbortSignal;
}

/** One whole run: starts the fleet, gives it work, kills and disturbs it, lets it come to rest, and judges what it left. */
export async function runChaos({ seed, jobs, signal }: ChaosOptions): Promise<ChaosReport> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-chaos-'));
  let report: ChaosReport | undefined;
  let fleet: Fleet | undefined;
  let receiver: Receiver | undefined;
  const strikes: Promise<void>[] = [];
  try {
    const plan = makePlan(seed, jobs);
    receiver = await startReceiver(plan.jobs, (afterMs) => {
      if (fleet !== undefined) strikes.push(strikeDispatchers(fleet, afterMs));
    });
    fleet = await startProcesses(dir, plan.callers);
    report = await Promise.race([disturbAndJudge({ fleet, receiver, strikes, dir, plan }), aborted(signal)]);
    return report;
  } finally {
    await fleet?.close();
    await receiver?.close();
    if (report?.keptIn === undefined) await rm(dir, { recursive: true, force: true });
  }
}

interface Scene {
  readonly fleet: Fleet;
  readonly receiver: Receiver;
  /** What the receiver's calls have set off. */
  readonly strikes: readonly Promise<void>[];
  readonly dir: string;
  readonly plan: Plan;
}

async function disturbAndJudge({ fleet, receiver, strikes, dir, plan }: Scene): Promise<ChaosReport> {
  const orders = plan.jobs;
  const pictures = await makePictures(plan.seed);
  const over = new AbortController();
  const restarts = runRestarts(fleet, restartsFileIn(dir), over.signal);
  const [load, , faults, sicknesses] = await Promise.all([
    runLoad(orders, { apiUrl: fleet.apiUrl, receiverUrl: receiver.url, pictures }),
    runKills(fleet, plan),
    runFaults(fleet, plan),
    runSicknesses(fleet, plan),
  ]);
  await clearFaults(fleet, simulatorNames);
  const restMs = await untilRest(fleet, load, orders);
  over.abort();
  await Promise.all([...strikes, restarts]);
  const evidence = await gather(fleet, { settings: CHAOS, orders, load, faults: [...faults, ...sicknesses], receiver });
  const findings = Object.entries(CHECKS).map(([check, judge]) => ({ check, ...judge(evidence) }));
  const breaches = findings.flatMap(({ check, breaches }) => breaches.map((breach) => ({ check, ...breach })));
  if (breaches.length > 0) await keep(dir, fleet.redisDir, evidence);
  const length = [['length of the disturbance, ms', plan.lengthMs] as const, ['until rest, ms', restMs] as const];
  const rows = [...length, ...findings.flatMap((finding) => finding.rows)];
  return { seed: plan.seed, rows, breaches, evidence, keptIn: breaches.length > 0 ? dir : undefined };
}
