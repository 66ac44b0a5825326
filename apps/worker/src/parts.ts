import type { InstanceSettings } from '@comfy-fleet/config';
import { type Abilities, modelId } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import type { InstanceNames, JobShare, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger, Metrics } from '@comfy-fleet/telemetry';
import { modelsNeeded } from '@comfy-fleet/workflows';
import { createFitting } from './claiming/fitting.js';
import { createCountOthers, leastVram } from './claiming/other-instances.js';
import { createPauseWatch } from './claiming/pause-watch.js';
import { createPlacer } from './claiming/placer.js';
import { createHints } from './encode-ahead/hints.js';
import { createCrossChecks } from './instance/cross-checks.js';
import { createLoadTimes } from './instance/held-models.js';
import { openInstance } from './instance/instance.js';
import { createKnownWorkflows } from './instance/known-workflows.js';
import { createStudy } from './instance/read-catalogue.js';
import type { EncodeAheadRules } from './instance/savings.js';
import type { RestLimits } from './instance/suspicion.js';
import { createInstruments } from './instruments.js';
import { createNodeTimes } from './job/node-times.js';
import { hasManyToConvert } from './job/png-of-webp.js';
import type { JobSettings, Tools } from './job/tools.js';
import { createFetchPlanner } from './models/plan-fetches.js';
import type { ModelSetup } from './models/setup.js';
import { createModelFolderUse, type ModelFolderUse } from './models/use-folders.js';
import { registerGauges } from './reporting/gauges.js';
import { createPresence } from './reporting/presence.js';
import { Slots } from './slots/slots.js';
import { createStoreWatch } from './store-watch.js';
import { createFastSave } from './submission/fast-save.js';
import { createHungWatch } from './upkeep/hung-watch.js';
import { createRestarter, type RestartRules } from './upkeep/restarter.js';
import { createKillWatch } from './upkeep/rests-after-kills.js';
import { createWarmUp } from './upkeep/warm-up.js';
import type { WarmUpOrder } from './upkeep/warm-up-order.js';
import { WakeUps } from './waiting.js';

export interface WorkerOptions {
  readonly name: string;
  /** The worker names them `<name>/<instance>`. */
  readonly instances: readonly InstanceSettings[];
  /** All pools that its instances serve. */
  readonly pools: readonly string[];
  /** Ports of its instances and services, to be announced. */
  readonly ports: readonly number[];
  readonly ledger: WorkerLedger;
  readonly stores: Pick<FrameStores, 'frames' | 'inputs' | 'fault'>;
  /** Nothing is claimed while the store for outputs has less free disk space. */
  readonly minFreeBytes: number;
  readonly tools: JobSettings;
  readonly metrics: Metrics;
  readonly restLimits: RestLimits;
  /** How long a prompt may wait while its instance executes nothing. */
  readonly beginMs: number;
  /** How to restart instances that do not recover; undefined: operators restart them. */
  readonly restart: RestartRules | undefined;
  /** The workflow that each instance runs before it is given jobs; undefined: none. */
  readonly warmUp: WarmUpOrder | undefined;
  readonly comfyTimeoutMs: number;
  /** How long a job is left to another worker whose instance may still have the submission. */
  readonly adoptWaitMs: number;
  readonly announceSeconds: number;
  readonly abilitiesSeconds: number;
  /** How long a job that moved to another instance stays there. */
  readonly movePatienceMs: number;
  /** The largest catalogue of an instance. */
  readonly maxCatalogueBytes: number;
  readonly encodeAhead: EncodeAheadRules;
  /** How models are fetched into the folders of instances; undefined: they are not. */
  readonly modelSetup: Pick<ModelSetup, 'idOf' | 'createKeeper'> | undefined;
  /** Another process has taken over this worker's name and its jobs, so this process must stop. */
  readonly onNameTaken: () => void;
  readonly log: Logger;
}

export interface Lifetimes {
  /** Aborts when no more jobs may begin. */
  readonly stopping: AbortSignal;
  /** Aborts when running jobs must stop. */
  readonly ending: AbortSignal;
}

export type Parts = ReturnType<typeof createParts>;

/**
 * Makes the parts of a worker, each from those before it. Earlier parts reach later ones through events. Nothing is
 * claimed or requested yet.
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
      encodeAhead: options.encodeAhead,
      log,
    }),
  );
  const crossChecks = createCrossChecks({ exchange: ledger.crossChecks, instances, log });

  // Capabilities and models
  const workflows = createKnownWorkflows(ledger.source, settings.workflows.profiles);
  const study = createStudy({
    instances,
    registry: ledger.abilities,
    maxBytes: options.maxCatalogueBytes,
    signal: ending,
    log,
  });

  // Slots and the upkeep of instances
  const { maxKeptPixels, maxKeptNodes } = settings;
  const chargeLoads = (shares: readonly JobShare[]) => {
    const charging = ledger.encodeAhead.charge(shares);
    charging.catch((error: unknown) => log.warn('the load of models was not charged', { error }));
  };
  const kept = { maxKeptPixels, maxKeptNodes, chargeLoads };
  const allSlots = instances.map((instance) => new Slots({ instance, instruments, ...kept }));
  const restAfterKills = createKillWatch({ kills: ledger.kills, allSlots });
  const restarter = createRestarter({ rules: options.restart, log });
  const hungWatch = createHungWatch({
    prompts: ledger.prompts,
    allSlots,
    graceMs: settings.interruptGraceMs,
    restarter,
    signal: ending,
    log,
  });
  // Models on disk
  const { warmUp: order } = options;
  const warmUpModels = (abilities: Abilities) =>
    order === undefined ? [] : modelsNeeded(order.workflow, order.request, abilities).map(modelId);
  const planner = createFetchPlanner({
    models: ledger.models,
    workflows,
    instancesOf: (folder) => modelFolders.instancesOf(folder),
    warmUpModels,
    loadTimes,
    patienceMs: options.movePatienceMs,
    signal: ending,
  });
  const modelFolders: ModelFolderUse = createModelFolderUse({
    instances: instances.map((instance, n) => ({ instance, dir: options.instances[n]?.modelsDir })),
    setup: options.modelSetup,
    keeping: { worker, models: ledger.models, planner, signal: stopping },
    workflows,
    signal: ending,
    log,
  });

  // Warm-up
  const { pollMs } = settings;
  const warmUps =
    order === undefined
      ? []
      : allSlots.map((slots) => {
          const { instance } = slots;
          const isFetching = () => modelFolders.isFetching(instance, warmUpModels(instance.abilities ?? {}));
          return createWarmUp({ slots, order, isFetching, names: instanceNames, pollMs, signal: stopping, log });
        });

  // Encoding ahead
  const hints = new Map(
    allSlots.map((slots) => [
      slots.instance,
      createHints({
        slots,
        ledger: ledger.encodeAhead,
        abilities: ledger.abilities,
        workflows,
        instanceNames,
        pollMs,
        graceMs: settings.interruptGraceMs,
        recordHung: hungWatch.record,
        signal: ending,
        log,
      }),
    ]),
  );

  // Claims
  const wakeUps = new WakeUps(pools);
  const changed = () => wakeUps.trigger();
  for (const { events } of instances) {
    events.on('health', changed);
    events.on('rests', changed);
    events.on('emptied', changed);
    // An instance that has new models may take jobs that waited for them.
    events.on('abilities', changed);
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
  const pauses = createPauseWatch({ source: ledger.halts, allSlots, pools, changed, announce, log });
  const fitting = createFitting({
    fits: ledger.fits,
    allSlots,
    workflows,
    markOf: (instance) => hints.get(instance)?.mark,
    signal: ending,
    log,
  });
  for (const instance of instances) {
    instance.events.on('abilities', () => fitting.changed(instance));
    instance.models.onChange(() => fitting.changed(instance));
  }

  // Jobs
  const nodeTimes = createNodeTimes(ledger.nodeTimes, log);
  const fastSave = createFastSave({
    belowMs: settings.fastSaveBelowMs,
    workflows,
    nodeTimes,
    frames: stores.frames,
    isBusy: hasManyToConvert,
    log,
  });
  const tools: Tools = {
    ...settings,
    workflows,
    instruments,
    frames: stores.frames,
    inputs: stores.inputs,
    instanceNames,
    sharedInputs: ledger.sharedInputs,
    store,
    fitsShare: ledger.fitsShare,
    nodeTimes,
    fastSave,
    countOthers: createCountOthers(presence.workers, ledger.abilities, workflows),
    leastVram: async (faults) => leastVram(await presence.workers(), faults),
    hintBefore: async (instance, record, bound) => hints.get(instance)?.before(record, bound),
    sendCrossCheck: crossChecks.send,
    recordHung: hungWatch.record,
    changed,
    ending,
    log,
  };
  const placer = createPlacer({ worker, allSlots, tools, adoptWaitMs: options.adoptWaitMs, stopping });

  // Reporting
  registerGauges({ metrics, instruments, allSlots, store });

  return {
    instances,
    loadTimes,
    crossChecks,
    workflows,
    study,
    allSlots,
    restAfterKills,
    restarter,
    hungWatch,
    warmUps,
    modelFolders,
    wakeUps,
    store,
    presence,
    pauses,
    fitting,
    placer,
  };
}
