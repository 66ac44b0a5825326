import type { InstanceRest } from '@comfy-fleet/contracts';
import type { Kills, WorkerLedger } from '@comfy-fleet/jobs';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Slots } from '../slots/slots.js';

/** Jobs of a key and workflow that killed several instances rest on every instance. */
export function restsAfterKills(kills: readonly Kills[], now: number): InstanceRest[] {
  return kills.flatMap(({ key, workflow, count, until }) => {
    if (now >= until) return [];
    const error =
      'Several ComfyUI instances died, fell silent or ignored an interrupt while they executed such jobs of this key.';
    return [{ scope: { key, workflow }, until, count, code: 'instance_killed', error }];
  });
}

interface KillWatchOptions {
  readonly kills: WorkerLedger['kills'];
  readonly allSlots: readonly Slots[];
}

/**
 * Imposes these rests on our instances, and takes back graphs of keys that killed an instance if they wait in ComfyUI: the
 * ledger then hands out one at a time. To be called again and again.
 */
export function createKillWatch({ kills, allSlots }: KillWatchOptions): () => Promise<void> {
  let known = new Map<string, string>();
  return async () => {
    const found = await kills();
    const rests = restsAfterKills(found, Date.now());
    for (const { instance } of allSlots) instance.health.impose(rests);
    const graphs = found.filter(({ workflow }) => workflow === GRAPH);
    const news = new Map(graphs.map(({ key, count, until }) => [key, `${count} ${until}`]));
    const isNew = (key: string) => news.has(key) && news.get(key) !== known.get(key);
    for (const slot of allSlots.flatMap(({ behind }) => behind)) {
      const { key, request } = slot.record;
      if (request.workflow === GRAPH && isNew(key)) slot.takeBack();
    }
    known = news;
  };
}
