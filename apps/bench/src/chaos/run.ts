import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Breach } from './check.js';
import { CHECKS } from './checks/index.js';
import { clearFaults, runFaults, runKills } from './disturb.js';
import type { Evidence } from './evidence.js';
import { gather, untilRest } from './gather.js';
import { runLoad } from './load.js';
import { makePictures } from './pictures.js';
import { makePlan, simulatorNames } from './plan.js';
import { startProcesses } from './processes.js';

export interface ChaosReport {
  readonly seed: number;
  readonly rows: readonly (readonly [string, number | string])[];
  /** By the name of their check. */
  readonly breaches: readonly (Breach & { readonly check: string })[];
  readonly evidence: Evidence;
  /** The logs, journals and Redis' file; only when something was breached. */
  readonly keptIn: string | undefined;
}

/** One whole run: starts the fleet, gives it work, kills and disturbs it, lets it come to rest, and judges what it left. */
export async function runChaos(seed: number, jobs: number): Promise<ChaosReport> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-chaos-'));
  const plan = makePlan(seed, jobs);
  const pictures = await makePictures(seed);
  let kept = false;
  const fleet = await startProcesses(dir);
  try {
    const [load, , faults] = await Promise.all([
      runLoad(fleet.apiUrl, plan.jobs, pictures),
      runKills(fleet, plan),
      runFaults(fleet, plan),
    ]);
    await clearFaults(fleet, simulatorNames);
    const restMs = await untilRest(fleet, load);
    const evidence = await gather(fleet, load, faults);
    const findings = Object.entries(CHECKS).map(([check, judge]) => ({ check, ...judge(evidence) }));
    const breaches = findings.flatMap(({ check, breaches }) => breaches.map((breach) => ({ check, ...breach })));
    kept = breaches.length > 0;
    if (kept) await keep(dir, fleet.redisDir, evidence);
    const length = [['length of the disturbance, ms', plan.lengthMs] as const, ['until rest, ms', restMs] as const];
    const rows = [...length, ...findings.flatMap((finding) => finding.rows)];
    return { seed, rows, breaches, evidence, keptIn: kept ? dir : undefined };
  } finally {
    await fleet.close();
    if (!kept) await rm(dir, { recursive: true, force: true });
  }
}

async function keep(dir: string, redisDir: string, evidence: Evidence): Promise<void> {
  await cp(redisDir, join(dir, 'redis'), { recursive: true });
  await mkdir(join(dir, 'logs'));
  for (const { name, log } of evidence.processes) {
    await writeFile(join(dir, 'logs', `${name.replace('/', '-')}.log`), log);
  }
  const plain = { ...evidence, jobs: [...evidence.jobs], leftInQueues: [...evidence.leftInQueues], processes: [] };
  await writeFile(join(dir, 'evidence.json'), JSON.stringify(plain, null, 1));
}
