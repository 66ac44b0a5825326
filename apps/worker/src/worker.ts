import { setMaxListeners } from 'node:events';
import type { InstanceSettings } from '@comfy-fleet/config';
import { fresh, isInService } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { Claim, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit from 'p-limit';
import { startBackground } from './background.js';
import { claimLoop } from './claiming/claim-loop.js';
import { createFitting } from './claiming/fitting.js';
import { createHaltWatch } from './claiming/halt-watch.js';
import { createLeftBehind } from './claiming/left-behind.js';
import { ableToTake, loadingTime } from './claiming/move-behind.js';
import { createWhoElse, instancesUp, leastVram } from './claiming/others.js';
import { createPlacer } from './claiming/placer.js';
import { type Instance, openInstance } from './instance/instance.js';
import { createKnownWorkflows } from './instance/known-workflows.js';
import { createLoadTimes } from './instance/load-times.js';
import { createOpinions } from './instance/opinions.js';
import { createCatalogueReader } from './instance/read-catalogue.js';
import { restsAfterKills } from './instance/rests-after-kills.js';
import { subjectOf } from './instance/scope.js';
import { createStudy } from './instance/study.js';
import type { RestLimits } from './instance/suspicion.js';
import { createNodeTimes } from './job/node-times.js';
import { Stopping } from './job/signals.js';
import type { JobSettings, Tools } from './job/tools.js';
import { announcement } from './reporting/announcement.js';
import { notReady } from './reporting/not-ready.js';
import { Slots } from './slots/slots.js';
import { createStoreWatch } from './store-watch.js';
import { createRestarter, type RestartRules } from './upkeep/restarter.js';
import { createWarmUp, type WarmUp } from './upkeep/warm-up.js';
import type { WarmUpOrder } from './upkeep/warm-up-order.js';
import { createWedgeWatch, type WedgeWatch } from './upkeep/wedge-watch.js';
import { Bell } from './waiting/news-feed.js';

export interface WorkerOptions {
  readonly name: string;
  /** Named `<name>/<instance>`. */
  readonly instances: readonly InstanceSettings[];
  /** Whose jobs it takes: those of any of its instances. */
  readonly pools: readonly string[];
  /** Of its instances and services, to be announced. */
  readonly ports: readonly number[];
  readonly ledger: WorkerLedger;
  readonly stores: Pick<FrameStores, 'frames' | 'inputs' | 'fault'>;
  /** With less disk space than this where pictures are stored nothing is claimed. */
  readonly minFreeBytes: number;
  readonly tools: JobSettings;
  readonly restLimits: RestLimits;
  /** How long a prompt may wait in an instance that executes nothing. */
  readonly beginMs: number;
  /** How instances are restarted that do not come right by themselves; undefined: by hand. */
  readonly restart: RestartRules | undefined;
  /** What each instance runs before it is given jobs; undefined: nothing. */
  readonly warmUp: WarmUpOrder | undefined;
  readonly comfyTimeoutMs: number;
  /** How long a submission that another worker's instance may still have is left to that worker. */
  readonly adoptWaitMs: number;
  readonly announceSeconds: number;
  readonly abilitiesSeconds: number;
  /** For how long a job stays in the queue of the instance to which it was moved. */
  readonly movePatienceMs: number;
  /** The most that an instance may say of its nodes. */
  readonly maxCatalogueBytes: number;
  /** Another process has taken this worker's name, and with it what this one has in hand: this one is to stop. */
  readonly onNameTaken: () => void;
  readonly log: Logger;
}

export interface Worker {
  /** Why it cannot do its work now; empty when it can. */
  notReady(signal: AbortSignal): Promise<readonly string[]>;
  /** Takes no more jobs, lets those in hand go on for `drainMs`, gives back the rest. */
  stop(drainMs: number): Promise<void>;
}

/** How old may be what an occupied instance knows of the others when it asks for jobs. */
const OTHERS_FRESH_MS = 1000;

/** Opens the instances and begins to claim. Resolves when it claims. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { name: worker, ledger, log, pools, adoptWaitMs, stores, minFreeBytes, restLimits, beginMs } = options;
  const startedAt = Date.now();
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every wait of every job listens to them.
  setMaxListeners(0, stopping.signal, ending.signal);
  const bells = pools.map(() => new Bell());
  const changed = () => {
    for (const bell of bells) bell.ring();
  };

  const store = createStoreWatch({ stores, minFreeBytes, owner: worker, onChange: changed, log });
  /** This one by what is so now, the others by what they announced some seconds ago. */
  const workersNow = async () => {
    const here = ourselves();
    return [here, ...(await ledger.presence.workers()).filter(({ name }) => name !== here.name)];
  };
  const freshWorkers = fresh(OTHERS_FRESH_MS, workersNow);
  const instanceNames = await ledger.instanceNames();
  const workflows = createKnownWorkflows(ledger.source, options.tools.workflows.profiles);
  const tools: Tools = {
    ...options.tools,
    workflows,
    frames: stores.frames,
    inputs: stores.inputs,
    instanceNames,
    sharedInputs: ledger.sharedInputs,
    store,
    nodeTimes: createNodeTimes(ledger.nodeTimes, log),
    whoElse: createWhoElse(workersNow, ledger.abilities, workflows),
    leastVram: async (faults) => leastVram(await workersNow(), faults),
    sendOpinion: (opinion) => opinions.send(opinion),
    noteWedge: (wedge) => wedges.note(wedge),
    changed,
    ending: ending.signal,
    log,
  };
  const study = createStudy({
    registry: ledger.abilities,
    read: createCatalogueReader({ maxBytes: options.maxCatalogueBytes }),
    learned: (instance) => fitting.changed(instance),
    signal: ending.signal,
  });
  const studyNow = (instance: Instance) => {
    study(instance).catch((error: unknown) => {
      if (!ending.signal.aborted)
        log.warn('an instance does not say what it can do', { instance: instance.name, error });
    });
  };
  let hasName = false;
  /** For the others, who look there when a job fails: what has changed should be known at once. */
  const announceNow = () => {
    if (hasName && !ending.signal.aborted) {
      announce().catch((error: unknown) => log.debug('not announced', { error }));
    }
  };
  const loadTimes = createLoadTimes(ledger.loadTimes, log);
  const instances = options.instances.map(({ name, url, headers, folders, pools }, index) =>
    openInstance({
      name: `${worker}/${name}`,
      baseUrl: url,
      headers,
      pools,
      timeoutMs: options.comfyTimeoutMs,
      folders,
      limits: restLimits,
      loadTimes,
      log,
      onChange: changed,
      onDisconnect: ({ health }) => {
        warmUps[index]?.due();
        health.mayHaveRestarted();
      },
      onRests: (instance) => {
        // What waits there would only fail as well.
        for (const slot of allSlots[index]?.behind ?? []) {
          if (instance.health.permits(subjectOf(slot.record)) === 'no') slot.takeBack();
        }
        changed();
        announceNow();
      },
      onHealth: (instance, before) => {
        tools.instruments.transitions.inc({ instance: instance.name, to: instance.health.state });
        allSlots[index]?.healthChanged();
        const { state } = instance.health;
        if (state === 'down') warmUps[index]?.due();
        const isBack = isInService({ state }) && !isInService({ state: before });
        if (isBack || state === 'warming') studyNow(instance);
        changed();
        announceNow();
      },
    }),
  );
  const opinions = createOpinions({ exchange: ledger.opinions, instances, log });
  const restAfterKills = async () => {
    const rests = restsAfterKills(await ledger.kills(), restLimits, Date.now());
    for (const { health } of instances) health.impose(rests);
  };
  const allSlots = instances.map((instance) => new Slots(instance, tools.instruments));
  const fitting = createFitting({ fits: ledger.fits, allSlots, workflows, signal: ending.signal, log });
  for (const instance of instances) instance.models.onChange(() => fitting.changed(instance));
  tools.instruments.watch(allSlots, store);
  const order = options.warmUp;
  const warmUps: readonly WarmUp[] =
    order === undefined
      ? []
      : allSlots.map((slots) =>
          createWarmUp({ slots, order, names: instanceNames, pollMs: tools.pollMs, signal: stopping.signal, log }),
        );
  const restarter = createRestarter({ rules: options.restart, log });
  const wedges: WedgeWatch = createWedgeWatch({
    prompts: ledger.prompts,
    allSlots,
    graceMs: tools.interruptGraceMs,
    restarter,
    signal: ending.signal,
    log,
  });
  const placer = createPlacer({ worker, allSlots, tools, adoptWaitMs, stopping: stopping.signal });

  const ourselves = () => {
    const about = {
      name: worker,
      startedAt,
      pools,
      draining: stopping.signal.aborted,
      storeFault: store.fault ?? null,
      ports: options.ports,
    };
    return announcement(about, allSlots);
  };
  const announce = async () => {
    if (!(await ledger.presence.announce(ourselves()))) options.onNameTaken();
  };
  const halts = createHaltWatch({ source: ledger.halts, allSlots, pools, changed, announce, log });

  await ledger.presence.takeName(stopping.signal);
  hasName = true;
  await fitting.forget();
  const sources = await Promise.all(pools.map((pool) => ledger.claims(pool)));
  const turn = pLimit(1);
  const takeLeft = createLeftBehind({ sources, place: placer.place, turn, log });
  await ledger.onAttention((jobId) => {
    for (const slot of allSlots.flatMap(({ all }) => all)) {
      if (jobId === undefined || slot.record.id === jobId) slot.attend();
    }
    if (!stopping.signal.aborted) {
      takeLeft().catch((error: unknown) => log.warn('jobs left behind could not be looked for', { error }));
    }
  });
  await ledger.halts.onChange(() => {
    halts.look().catch((error: unknown) => log.warn('what is halted could not be read', { error }));
  });
  await halts.look();
  await restAfterKills();
  await store.look();
  await wedges.begin();
  // Before any other job: what a process of this name left in our instances is still there, or ended without us.
  await takeLeft();
  const able = ableToTake(workflows);
  const loadMs = loadingTime(workflows);
  const placeFor = async (claim: Claim, chosenFor: Slots) => {
    fitting.given(chosenFor.instance, claim.record.request);
    try {
      return await placer.place(claim, chosenFor);
    } finally {
      // It may have gone elsewhere.
      fitting.changed(chosenFor.instance);
    }
  };
  const loops = sources.map((source, index) => {
    const changes = bells[index] as Bell;
    const pool = pools[index] as string;
    return claimLoop({
      source,
      pool,
      allSlots: allSlots.filter(({ instance }) => instance.pools.includes(pool)),
      changes,
      turn,
      able,
      loadMs,
      patienceMs: options.movePatienceMs,
      askerOf: async (instance) => {
        const isOccupied = instance.health.state === 'occupied';
        return fitting.askerOf(instance, isOccupied ? instancesUp(await freshWorkers.now(), pool) : []);
      },
      place: placeFor,
      isPaused: (name) => halts.isPaused(name) || store.fault !== undefined,
      signal: stopping.signal,
      log,
    });
  });
  const tasks = startBackground({
    allSlots,
    sharedInputs: ledger.sharedInputs,
    study,
    opinions,
    restAfterKills,
    wedges,
    restarter,
    loadTimes,
    warmUps,
    store,
    halts,
    fitting,
    takeLeft,
    announce,
    beginMs,
    pollMs: tools.pollMs,
    announceSeconds: options.announceSeconds,
    abilitiesSeconds: options.abilitiesSeconds,
    stopping: stopping.signal,
    ending: ending.signal,
    log,
  });

  return {
    notReady: (signal) => notReady({ ping: ledger.ping, allSlots, store }, signal),
    stop: async (drainMs) => {
      stopping.abort();
      await Promise.all(loops);
      // What has not begun need not wait for us.
      for (const slot of allSlots.flatMap(({ behind }) => behind)) slot.takeBack();
      await settledWithin(placer.running, drainMs);
      ending.abort(new Stopping());
      await Promise.allSettled([...placer.running, ...tasks]);
      await Promise.all(sources.map((source) => source.close()));
      await fitting.forget();
      await ledger.presence.withdraw();
      await Promise.all(instances.map((instance) => instance.close()));
    },
  };
}

async function settledWithin(running: ReadonlySet<Promise<void>>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.allSettled(running), timeUp]);
  clearTimeout(timer);
}
