import type { InstanceRest } from '@comfy-fleet/contracts';
import type { Kills, Opinion, OpinionExchange, WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';

/** What became of a job elsewhere that had failed on an instance. */
export interface CrossChecks {
  /** Notifies the instance, whichever worker has it. Never throws. */
  send(opinion: Opinion): Promise<void>;
  /** Passes on what other workers found out about instances of ours: to be called again and again. */
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
      else await exchange.send(opinion).catch((error: unknown) => log.warn('an opinion was not sent', { error }));
    },
    receive: async () => {
      for (const opinion of await exchange.take()) ours(opinion)?.health.crossChecked(opinion);
    },
  };
}

/** Kills of a key within an hour after which its own graphs, or its jobs of a workflow, rest. */
const KILLS_TO_REST = 2;
/** How long they rest. So one key kills at most seven instances an hour, besides those that execute its jobs already. */
const REST_MS = 600_000;

/** What killed several instances within an hour, own graphs of a key or its jobs of a workflow, rests on every instance. */
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

/** Imposes these rests on our instances: to be called again and again. */
export function createKillWatch({ kills, instances }: KillWatchOptions): () => Promise<void> {
  return async () => {
    const rests = restsAfterKills(await kills(), Date.now());
    for (const { health } of instances) health.impose(rests);
  };
}
