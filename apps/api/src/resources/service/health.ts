import {
  type Abilities,
  type Health,
  type InstanceAnnouncement,
  isInService,
  type WorkerAnnouncement,
} from '@comfy-fleet/contracts';
import type { FleetOverview } from '@comfy-fleet/jobs';
import { classesOf, describeLack, explainVerdicts, judgeWorkflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { Handler, Reply } from '../../server/messages.js';
import { presentWorker } from '../fleet/fleet.js';
import { exposureNotes, haltNotes, restNotes } from '../fleet/notes.js';

const UNREPLICATED =
  'Replicas of Redis are missing or slow: no new job is accepted or started until REDIS_WAIT_REPLICAS of them confirm writes';

/**
 * The health of the fleet: `ok`, `degraded` with the reasons while a part is missing and jobs may wait, or `down` (503)
 * when Redis does not answer. A missing ComfyUI only makes jobs wait.
 */
export function health(deps: Deps): Handler {
  const { ledger, storage, log, workflows } = deps;
  return async (): Promise<Reply> => {
    const fault = await storage.ask();
    const place = { status: fault === undefined ? 'up' : 'down' } as const;
    const lost = fault === undefined ? [] : [`Pictures cannot be stored or read: ${fault}`];
    try {
      const [latency, fleet, isReplicated] = await Promise.all([
        ledger.ping(),
        ledger.fleet.overview(),
        ledger.replicated(),
      ]);
      const verdicts = await judgeInstances(deps, fleet.workers);
      // Reasons are list entries, without full stops.
      const halted = haltNotes(fleet.halts).map((note) => note.slice(0, -1));
      const broken = workflows.faults.map(({ detail }) => `A workflow cannot be used: ${detail}`);
      const reasons = [
        ...lost,
        ...broken,
        ...(isReplicated ? [] : [UNREPLICATED]),
        ...halted,
        ...missing(fleet, verdicts),
      ];
      const body: Health = {
        status: reasons.length === 0 ? 'ok' : 'degraded',
        reasons,
        warnings: exposureNotes(fleet, deps.keys?.all() ?? []),
        redis: { status: 'up', latency_ms: Math.round(latency * 100) / 100 },
        storage: place,
        pools: fleet.pools.map(({ pool, open, waiting, running, paused }) => ({
          pool,
          open,
          waiting,
          running,
          paused,
        })),
        workers: fleet.workers.map((worker) => presentHealth(worker, fleet, verdicts)),
      };
      return { status: 200, body };
    } catch (error) {
      log.debug('the health of the fleet could not be read', { error });
      const redis = { status: 'down', latency_ms: null } as const;
      const reasons = ['Redis does not answer: no job can be accepted', ...lost];
      const body: Health = { status: 'down', reasons, warnings: [], redis, storage: place, pools: [], workers: [] };
      return { status: 503, headers: { 'Retry-After': '1' }, body };
    }
  };
}

function missing({ workers }: FleetOverview, verdicts: Verdicts): string[] {
  if (workers.length === 0) return ['No worker is running: jobs wait until one starts'];
  return workers.flatMap((worker) => [
    ...(worker.draining ? [`${worker.name} is stopping and takes no more jobs`] : []),
    ...(worker.storeFault
      ? [`${worker.name} takes no jobs until it can store pictures: ${worker.storeFault.reason}`]
      : []),
    ...worker.instances.flatMap((instance) =>
      isInService(instance) ? [...lackFaults(instance, verdicts), ...restNotes(instance)] : [instanceFault(instance)],
    ),
  ]);
}

function instanceFault({ name, state, reason }: InstanceAnnouncement): string {
  const words = state === 'unknown' ? 'has not answered yet' : `is ${state}`;
  return `ComfyUI ${name} ${words}${reason === null ? '' : `: ${reason}`}`;
}

function lackFaults({ name }: InstanceAnnouncement, verdicts: Verdicts): string[] {
  const { unable, lacks } = explainVerdicts(verdicts.get(name) ?? []);
  if (unable.length === 0) return [];
  const listed = lacks.map(({ what, fix }) => `it lacks ${what}; ${fix}`).join('; ');
  return [`ComfyUI ${name} cannot run ${unable.join(' and ')}: ${listed}`];
}

function presentHealth(
  worker: WorkerAnnouncement,
  fleet: FleetOverview,
  verdicts: Verdicts,
): Health['workers'][number] {
  const { storage_fault, instances, ...shown } = presentWorker(worker, fleet);
  return {
    ...shown,
    storage_fault: storage_fault?.reason ?? null,
    instances: instances.map(({ name, pools, state, reason, since, drain }) => ({
      name,
      pools,
      state,
      reason,
      since,
      drain: drain?.state ?? null,
      workflows:
        verdicts.get(name)?.map(({ workflow, lacks }) => ({
          name: workflow,
          able: lacks.length === 0,
          lacks: lacks.map(describeLack),
        })) ?? null,
    })),
  };
}

/** Which workflows each instance can run, by the instance's name. Instances without a known catalogue are left out. */
type Verdicts = ReadonlyMap<string, readonly WorkflowVerdict[]>;

async function judgeInstances(
  { ledger: { fleet }, workflows, config }: Deps,
  workers: readonly WorkerAnnouncement[],
): Promise<Verdicts> {
  const instances = workers.flatMap((worker) => worker.instances);
  const pools = [...new Set(instances.flatMap((instance) => instance.pools))];
  const classes = classesOf(workflows.byName.values());
  const read = await Promise.all(pools.map((pool) => fleet.abilities(pool, classes)));
  const known = new Map(read.flat().map(({ instance, abilities }) => [instance, abilities]));
  // Identical instances share one object. Those that also serve the same pools are judged once.
  const judged = new Map<Abilities, Record<string, readonly WorkflowVerdict[]>>();
  const verdicts = new Map<string, readonly WorkflowVerdict[]>();
  for (const { name, pools: own } of instances) {
    const abilities = known.get(name);
    if (abilities === undefined) continue;
    const byPools = judged.get(abilities) ?? {};
    judged.set(abilities, byPools);
    byPools[own.join()] ??= judgeWorkflows({ abilities, pools: own }, workflows, config.limits);
    verdicts.set(name, byPools[own.join()] ?? []);
  }
  return verdicts;
}
