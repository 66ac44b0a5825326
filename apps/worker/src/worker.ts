import { setMaxListeners } from 'node:events';
import { inputName } from '@comfy-fleet/frames';
import type { Claim, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit from 'p-limit';
import { announcement } from './announcement.js';
import { Bell } from './bell.js';
import { canRun } from './can-run.js';
import { claimLoop } from './claim-loop.js';
import { every } from './every.js';
import { HeldJob } from './held-job.js';
import { type Instance, type InstanceFolders, openInstance } from './instance.js';
import { Lane } from './lanes.js';
import { deleteOldFiles } from './leftovers.js';
import { placeJob } from './placement.js';
import { runJob } from './run-job.js';
import { Stopping } from './signals.js';
import { stopAbandoned } from './stop-abandoned.js';
import type { Tools } from './tools.js';

export interface WorkerOptions {
  readonly name: string;
  /** One instance each, named `<name>/<n>` in this order from 1 on. */
  readonly comfyUrls: readonly string[];
  /** The folders of the instance at the same place of the list. */
  readonly comfyFolders: readonly InstanceFolders[];
  /** Whose jobs it takes; at least one. */
  readonly pools: readonly string[];
  readonly ledger: WorkerLedger;
  readonly tools: Tools;
  readonly comfyTimeoutMs: number;
  /** How long a submission that another worker's instance may still have is left to that worker. */
  readonly adoptWaitMs: number;
  readonly announceSeconds: number;
  readonly abilitiesSeconds: number;
  readonly sweepSeconds: number;
  readonly log: Logger;
}

export interface Worker {
  /** Why it cannot do its work now; empty when it can. */
  notReady(signal: AbortSignal): Promise<readonly string[]>;
  /** Takes no more jobs, lets those in hand go on for `drainMs`, gives back the rest. */
  stop(drainMs: number): Promise<void>;
}

/** How often jobs are looked for whose submission is in an instance of ours, and that nobody or another worker has. */
const LEFT_MS = 1000;
/** How often what jobs left on ComfyUI's disk is looked for. */
const CLEAN_MS = 3_600_000;
/** How often an instance that nobody asks anything is asked whether it is there. */
const PROBE_MS = 1000;

/** Opens the instances and begins to claim. Resolves when it claims. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { ledger, log, tools, pools } = options;
  const startedAt = Date.now();
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every wait of every job listens to it.
  setMaxListeners(0, stopping.signal, ending.signal);
  const bells = pools.map(() => new Bell());
  const changed = () => {
    for (const bell of bells) bell.ring();
  };
  const running = new Set<Promise<void>>();
  let draining = false;

  const instances = options.comfyUrls.map((baseUrl, index) =>
    openInstance({
      name: `${options.name}/${index + 1}`,
      baseUrl,
      timeoutMs: options.comfyTimeoutMs,
      folders: options.comfyFolders[index] ?? { output: undefined, input: undefined },
      log,
      onChange: changed,
      onHealth: (instance) => {
        if (instance.health.state === 'up') study(instance);
        changed();
      },
    }),
  );
  const lanes = instances.map((instance) => new Lane(instance));

  /** Asks the instance what it can do, and says so. */
  const learn = async (instance: Instance) => {
    if (instance.health.state !== 'up') return;
    const abilities = await instance.learn(tools.asked, ending.signal);
    await ledger.publish(pools, { instance: instance.name, seenAt: Date.now(), abilities });
  };
  const study = (instance: Instance) => {
    learn(instance).catch((error: unknown) => {
      if (!ending.signal.aborted)
        log.warn('an instance does not say what it can do', { instance: instance.name, error });
    });
  };

  const begin = (claim: Claim, lane: Lane) => {
    const job = new HeldJob(claim, lane, log, ending.signal);
    const run = runJob(job, tools, changed).finally(() => {
      // A lane that still waits for it would wait for ever.
      job.takenBack();
      job.lane.leave(job);
      running.delete(run);
      changed();
    });
    running.add(run);
  };
  const place = async (claim: Claim) => {
    const able = (lane: Lane) => canRun(claim.record, lane.instance, tools.workflows);
    const rules = { adoptWaitMs: options.adoptWaitMs, largestVram: tools.largestVram, able };
    const placement = stopping.signal.aborted
      ? { releaseMs: 0, because: 'the worker stops' }
      : await placeJob(claim.record, lanes, rules).catch((error: unknown) => {
          claim.letGo();
          throw error;
        });
    if ('lane' in placement) {
      begin(claim, placement.lane);
      return;
    }
    const { releaseMs, because } = placement;
    log.info('job goes back to the queue', { job: claim.record.id, because, delay_ms: releaseMs });
    await claim.release(releaseMs);
  };

  await ledger.onAttention((jobId) => {
    for (const job of lanes.flatMap((lane) => lane.jobs)) {
      if (jobId === undefined || job.record.id === jobId) job.attend();
    }
  });
  const sources = await Promise.all(pools.map((pool) => ledger.claims(pool)));
  const turn = pLimit(1);
  const takeLeft = async () => {
    for (const source of sources) for (const claim of await source.leftBehind()) await turn(() => place(claim));
  };
  // Before any other job: what a process of this name left in our instances is still there, or ended without us.
  await takeLeft();
  const mayMove = (job: HeldJob, lane: Lane) => canRun(job.record, lane.instance, tools.workflows);
  const loops = sources.map((source, index) => {
    const changes = bells[index] as Bell;
    return claimLoop({ source, lanes, changes, turn, mayMove, place, signal: stopping.signal, log });
  });
  const announce = () => ledger.announce(announcement({ name: options.name, startedAt, pools, draining }, lanes));
  const background = { signal: ending.signal, log };
  const tasks = [
    ...instances.map((instance) =>
      every(PROBE_MS, `probing ${instance.name}`, () => instance.probe(ending.signal), background),
    ),
    ...instances.map((instance) =>
      every(options.abilitiesSeconds * 1000, `studying ${instance.name}`, () => learn(instance), background),
    ),
    ...lanes.map((lane) => every(CLEAN_MS, `cleaning up after ${lane.instance.name}`, () => clean(lane), background)),
    every(LEFT_MS, 'stopping abandoned prompts', () => stopAbandoned({ ledger, instances, ...background }), background),
    every(LEFT_MS, 'looking for jobs left behind', takeLeft, { signal: stopping.signal, log }),
    every(options.announceSeconds * 1000, 'announcing', announce, background),
    every(options.sweepSeconds * 1000, 'sweeping', () => ledger.sweep(), background),
  ];

  async function clean({ instance, jobs }: Lane): Promise<void> {
    const inUse = new Set(
      jobs.flatMap(({ record }) => (record.request.input ? [inputName(record.request.input.sha256)] : [])),
    );
    const count = await deleteOldFiles(instance.folders, inUse);
    if (count > 0) log.info('deleted old files in the folders of ComfyUI', { instance: instance.name, count });
  }

  return {
    notReady: (signal) => notReady(ledger, instances, signal),
    stop: async (drainMs) => {
      draining = true;
      stopping.abort();
      await Promise.all(loops);
      // What has not begun need not wait for us.
      for (const { behind } of lanes) behind?.takeBack();
      await settledWithin(running, drainMs);
      ending.abort(new Stopping());
      await Promise.allSettled([...running, ...tasks]);
      await Promise.all(sources.map((source) => source.close()));
      await ledger.withdraw();
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

async function notReady(
  ledger: WorkerLedger,
  instances: readonly Instance[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const reasons: string[] = [];
  await ledger.ping(signal).catch(() => reasons.push('Redis does not answer'));
  if (!instances.some(({ health }) => health.state === 'up')) reasons.push('no ComfyUI instance is up');
  return reasons;
}
