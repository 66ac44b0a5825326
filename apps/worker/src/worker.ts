import { setMaxListeners } from 'node:events';
import { fresh, isInService } from '@comfy-fleet/contracts';
import type { Claim, JobRecord } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import { startBackground } from './background.js';
import { claimLoop } from './claiming/claim-loop.js';
import { ableToTake, loadingTime } from './claiming/move-behind.js';
import { createCountOthers, instancesUp } from './claiming/other-instances.js';
import { createLeftBehind } from './claiming/placer.js';
import { Stopping } from './job/signals.js';
import { createParts, type Parts, type WorkerOptions } from './parts.js';
import type { Slots } from './slots/slots.js';

export interface Worker {
  /** Why the worker cannot work now; empty when it can. */
  notReady(signal: AbortSignal): Promise<readonly string[]>;
  /** Stops claiming, gives running jobs `drainMs` to finish, and gives the others back to the queue. */
  stop(drainMs: number): Promise<void>;
}

/** How long announcements of other workers are reused when deciding whether to leave a job to them. */
const OTHERS_FRESH_MS = 1000;

/** Opens the instances and starts claiming. Resolves once the worker claims jobs. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { ledger, log, pools } = options;
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every wait of every job listens to these signals.
  setMaxListeners(0, stopping.signal, ending.signal);
  const lifetimes = { stopping: stopping.signal, ending: ending.signal };
  const parts = createParts(options, await ledger.instanceNames(), lifetimes);
  const { instances, allSlots, store, presence, pauses, fitting, modelFolders, placer, wakeUps } = parts;

  await presence.takeName(stopping.signal);
  await fitting.forget();
  const sources = await Promise.all(pools.map((pool) => ledger.claims(pool)));
  const mutex = pLimit(1);
  const takeLeft = createLeftBehind({ sources, place: placer.place, mutex, log });
  await ledger.onAttention((jobId) => {
    for (const slot of allSlots.flatMap(({ all }) => all)) {
      if (jobId === undefined || slot.record.id === jobId) slot.notify();
    }
    if (!stopping.signal.aborted) {
      takeLeft().catch((error: unknown) => log.warn('could not look for jobs left behind', { error }));
    }
  });
  await ledger.crossChecks.onReceive(parts.crossChecks.receive);
  await ledger.halts.onChange(() => {
    pauses.poll().catch((error: unknown) => log.warn('could not read what is paused or drained', { error }));
  });
  await pauses.poll();
  await parts.restAfterKills();
  await store.check();
  await parts.hungWatch.begin();
  // First the jobs of an earlier process with this name: our instances may still execute them, or have finished them.
  await takeLeft();

  const able = ableToTake(parts.workflows);
  const loadMs = loadingTime(parts.workflows);
  const othersNow = fresh(OTHERS_FRESH_MS, presence.workers);
  const countOthers = createCountOthers(othersNow.now, ledger.abilities, parts.workflows);
  const mayRetry = async (record: JobRecord) => {
    await parts.workflows.load(record, ending.signal).catch(() => undefined);
    return (await countOthers(record, record.faults)) === 0;
  };
  const place = async (claim: Claim, chosenFor: Slots) => {
    fitting.assigned(chosenFor.instance, claim.record);
    modelFolders.assigned(chosenFor.instance, claim.record.request);
    try {
      const placed = await placer.place(claim, chosenFor);
      if (placed === 'begun') wakeUps.hadTurn(claim.record.pool);
      return placed;
    } finally {
      // The placer may have chosen another instance.
      fitting.changed(chosenFor.instance);
    }
  };
  const loops = sources.map((source, index) => {
    const pool = pools[index] as string;
    return claimLoop({
      source,
      pool,
      allSlots: allSlots.filter(({ instance }) => instance.pools.includes(pool)),
      slotsChanged: wakeUps.of(pool),
      mutex,
      able,
      loadMs,
      patienceMs: options.movePatienceMs,
      askerOf: async (instance) => {
        const isOccupied = instance.health.state === 'occupied';
        const others = isOccupied ? instancesUp(await othersNow.now(), pool) : undefined;
        return { ...fitting.askerOf(instance), others, mayRetry };
      },
      place,
      isPaused: (name) => pauses.isPaused(name) || store.fault !== undefined,
      signal: stopping.signal,
      log,
    });
  });
  const tasks = startBackground(parts, takeLeft, options, lifetimes);

  return {
    notReady: (signal) => notReady(ledger.ping, parts, signal),
    stop: async (drainMs) => {
      stopping.abort();
      await Promise.all(loops);
      // Jobs that have not begun go back to the queue at once.
      for (const slot of allSlots.flatMap(({ behind }) => behind)) slot.takeBack();
      await settledWithin(placer.running, drainMs);
      ending.abort(new Stopping());
      await Promise.allSettled([...placer.running, ...tasks, modelFolders.stopped()]);
      await Promise.all(sources.map((source) => source.close()));
      await fitting.forget();
      await ledger.presence.withdraw();
      await Promise.all(instances.map((instance) => instance.close()));
    },
  };
}

async function notReady(
  ping: (signal: AbortSignal) => Promise<void>,
  { allSlots, store }: Pick<Parts, 'allSlots' | 'store'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const reasons: string[] = [];
  await ping(signal).catch(() => reasons.push('Redis does not answer'));
  if (!allSlots.some(isFit)) {
    const each = allSlots.map(
      ({ instance: { name, health } }) => `${name} is ${[health.state, health.reason].filter(Boolean).join(': ')}`,
    );
    reasons.push(`no ComfyUI instance is up (${each.join('; ')})`);
  }
  if (store.fault !== undefined) reasons.push(store.fault.reason);
  return reasons;
}

/** A drained instance is warmed up only after the drain, so warming counts as fit while it is drained. */
function isFit({ instance, drains }: Slots): boolean {
  return isInService(instance.health) || (instance.health.state === 'warming' && drains);
}

async function settledWithin(running: ReadonlySet<Promise<void>>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.allSettled(running), timeUp]);
  clearTimeout(timer);
}
