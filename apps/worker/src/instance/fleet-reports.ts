import type { InstanceRest } from '@comfy-fleet/contracts';
import type { Kills, Opinion, OpinionExchange, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';

/** Exchanges cross-checks: how a job that failed on one instance ended on another. */
export interface CrossChecks {
  /** Reports a cross-check to the instance where the job failed, whichever worker has it. Never throws. */
  send(opinion: Opinion): Promise<void>;
  /** Receives other workers' cross-checks of jobs that failed on our instances. Call it repeatedly. */
  receive(): Promise<void>;
}

interface CrossCheckOptions {
  readonly exchange: OpinionExchange;
  readonly instances: readonly Pick<Instance, 'name' | 'health'>[];
  readonly log: Logger;
}

export function createCrossChecks({ exchange, instances, log }: CrossCheckOptions): CrossChecks {
  const ours = (opinion: Opinion) => instances.find(({ name }) => name === opinion.instance);
  return {
    send: async (opinion) => {
      const own = ours(opinion);
      if (own !== undefined) own.health.crossChecked(opinion);
      else await exchange.send(opinion).catch((error: unknown) => log.warn('could not send a cross-check', { error }));
    },
    receive: async () => {
      for (const opinion of await exchange.take()) ours(opinion)?.health.crossChecked(opinion);
    },
  };
}

/** Kills within an hour after which a key's own graphs, or its jobs of a workflow, rest. */
const KILLS_TO_REST = 2;
/**
 * How long they rest. Thus one key kills at most seven instances an hour, besides those that already execute its jobs.
 */
const REST_MS = 600_000;

/**
 * The rests of all instances for a key's own graphs, or its jobs of a workflow, that killed several instances within an
 * hour.
 */
export function restsAfterKills(kills: readonly Kills[], now: number): InstanceRest[] {
  return kills.flatMap(({ key, workflow, times }) => {
    const until = (times.at(-1) ?? 0) + REST_MS;
    if (times.length < KILLS_TO_REST || now >= until) return [];
    const error = `${times.length} ComfyUI instances died, fell silent or ignored an interrupt within an hour while they executed such jobs of this key.`;
    const count = times.length + 1 - KILLS_TO_REST;
    return [{ scope: { key, workflow }, until, count, code: 'instance_killed', error }];
  });
}

interface KillWatchOptions {
  readonly kills: WorkerLedger['kills'];
  readonly instances: readonly Pick<Instance, 'health'>[];
}

/** Imposes these rests on our instances. Call it repeatedly. */
export function createKillWatch({ kills, instances }: KillWatchOptions): () => Promise<void> {
  return async () => {
    const rests = restsAfterKills(await kills(), Date.now());
    for (const { health } of instances) health.impose(rests);
  };
}
