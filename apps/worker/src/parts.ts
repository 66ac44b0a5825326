import type { InstanceSettings } from '@comfy-fleet/config';
import type { FrameStores } from '@comfy-fleet/frames';
import type { InstanceNames, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger, Metrics } from '@comfy-fleet/telemetry';
import { createFitting } from './claiming/fitting.js';
import { createHaltWatch } from './claiming/halt-watch.js';
import { createWhoElse, leastVram } from './claiming/others.js';
import { createPlacer } from './claiming/placer.js';
import { openInstance } from './instance/instance.js';
import { createKnownWorkflows } from './instance/known-workflows.js';
import { createLoadTimes } from './instance/load-times.js';
import { createOpinions } from './instance/opinions.js';
import { createStudy } from './instance/study.js';
import type { RestLimits } from './instance/suspicion.js';
import { createInstruments } from './instruments.js';
import { createNodeTimes } from './job/node-times.js';
import type { JobSettings, Tools } from './job/tools.js';
import { showWorker } from './reporting/gauges.js';
import { createPresence } from './reporting/presence.js';
import { Slots } from './slots/slots.js';
import { createStoreWatch } from './store-watch.js';
import { createRestarter, type RestartRules } from './upkeep/restarter.js';
import { createKillWatch } from './upkeep/rests-after-kills.js';
import { createWarmUp } from './upkeep/warm-up.js';
import type { WarmUpOrder } from './upkeep/warm-up-order.js';
import { createWedgeWatch } from './upkeep/wedge-watch.js';
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
  readonly metrics: Metrics;
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

export interface Lifetimes {
  /** Aborts when no job is begun any more. */
  readonly stopping: AbortSignal;
  /** Aborts when no job may go on. */
  readonly ending: AbortSignal;
}

export type Parts = ReturnType<typeof createParts>;

/**
 * The parts of a worker, each made of those before it. What happens in an earlier part reaches a later one as an event.
 * Nothing is claimed or asked yet.
 */
export function createParts(options: WorkerOptions, instanceNames: InstanceNames, { stopping, ending }: Lifetimes) {
  const { name: worker, pools, ledger, stores, tools: settings, metrics, log } = options;
  const instruments = createInstruments(metrics);

  // Instances and their health
  const loadTimes = createLoadTimes(ledger.loadTimes, log);
  const instances = options.instances.map(({ name, url, headers, folders, pools }) =>
    openInstance({
      name: `${worker}/${name}`,
      baseUrl: url,
      headers,
      pools,
      timeoutMs: options.comfyTimeoutMs,
      folders,
      limits: options.restLimits,
      loadTimes,
      log,
    }),
  );
  const opinions = createOpinions({ exchange: ledger.crossChecks, instances, log });

  // Capabilities and models
  const workflows = createKnownWorkflows(ledger.source, settings.workflows.profiles);
  const study = createStudy({
    instances,
    registry: ledger.abilities,
    maxBytes: options.maxCatalogueBytes,
    signal: ending,
    log,
  });

  // Slots, and what keeps instances fit to fill them
  const allSlots = instances.map((instance) => new Slots(instance, instruments));
  const restAfterKills = createKillWatch({ kills: ledger.kills, allSlots });
  const restarter = createRestarter({ rules: options.restart, log });
  const wedges = createWedgeWatch({
    prompts: ledger.prompts,
    allSlots,
    graceMs: settings.interruptGraceMs,
    restarter,
    signal: ending,
    log,
  });
  const { warmUp: order } = options;
  const { pollMs } = settings;
  const warmUps =
    order === undefined
      ? []
      : allSlots.map((slots) => createWarmUp({ slots, order, names: instanceNames, pollMs, signal: stopping, log }));

  // Claims
  const bells = pools.map(() => new Bell());
  const changed = () => {
    for (const bell of bells) bell.ring();
  };
  for (const { events } of instances) {
    events.on('health', changed);
    events.on('rests', changed);
    events.on('emptied', changed);
  }
  const store = createStoreWatch({
    stores,
    minFreeBytes: options.minFreeBytes,
    owner: worker,
    onChange: changed,
    log,
  });
  const presence = createPresence({
    worker: { name: worker, pools, ports: options.ports },
    allSlots,
    store,
    shared: ledger.presence,
    onNameTaken: options.onNameTaken,
    stopping,
    ending,
    log,
  });
  const { announce } = presence;
  const halts = createHaltWatch({ source: ledger.halts, allSlots, pools, changed, announce, log });
  const fitting = createFitting({ fits: ledger.fits, allSlots, workflows, signal: ending, log });
  for (const instance of instances) {
    instance.events.on('abilities', () => fitting.changed(instance));
    instance.models.onChange(() => fitting.changed(instance));
  }

  // Jobs
  const tools: Tools = {
    ...settings,
    workflows,
    instruments,
    frames: stores.frames,
    inputs: stores.inputs,
    instanceNames,
    sharedInputs: ledger.sharedInputs,
    store,
    nodeTimes: createNodeTimes(ledger.nodeTimes, log),
    whoElse: createWhoElse(presence.workers, ledger.abilities, workflows),
    leastVram: async (faults) => leastVram(await presence.workers(), faults),
    sendOpinion: opinions.send,
    noteWedge: wedges.note,
    changed,
    ending,
    log,
  };
  const placer = createPlacer({ worker, allSlots, tools, adoptWaitMs: options.adoptWaitMs, stopping });

  // Reporting
  showWorker({ metrics, instruments, allSlots, store });

  return {
    instances,
    loadTimes,
    opinions,
    workflows,
    study,
    allSlots,
    restAfterKills,
    restarter,
    wedges,
    warmUps,
    bells,
    store,
    presence,
    halts,
    fitting,
    placer,
  };
}
