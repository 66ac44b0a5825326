import type { InstanceRest } from '@comfy-fleet/contracts';
import type { Kills, WorkerLedger } from '@comfy-fleet/jobs';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Slots } from '../slots/slots.js';

/** The rests of all instances for a key's jobs of a workflow that killed several instances. */
export function restsAfterKills(kills: readonly Kills[], now: number): InstanceRest[] {
  return kills.flatMap(({ key, workflow, rests, until }) => {
    if (now >= until) return [];
    const error =
      'Several ComfyUI instances died, fell silent or ignored an interrupt while they executed such jobs of this key.';
    return [{ scope: { key, workflow }, until, count: rests, code: 'instance_killed', error }];
  });
}

interface KillWatchOptions {
  readonly kills: WorkerLedger['kills'];
  readonly allSlots: readonly Slots[];
}

/**
 * Imposes these rests on our instances. Also takes back graphs that wait in ComfyUI when their key killed an instance,
 * because the ledger then hands out one of its graphs at a time. Call it repeatedly.
 */
export function createKillWatch({ kills, allSlots }: KillWatchOptions): () => Promise<void> {
  let known = new Map<string, string>();
  return async () => {
    const found = await kills();
    const rests = restsAfterKills(found, Date.now());
    for (const { instance } of allSlots) instance.health.impose(rests);
    const graphs = found.filter(({ workflow }) => workflow === GRAPH);
    const news = new Map(graphs.map(({ key, rests, until }) => [key, `${rests} ${until}`]));
    const isNew = (key: string) => news.has(key) && news.get(key) !== known.get(key);
    for (const slot of allSlots.flatMap(({ behind }) => behind)) {
      const { key, request } = slot.record;
      if (request.workflow === GRAPH && isNew(key)) slot.takeBack();
    }
    known = news;
  };
}
