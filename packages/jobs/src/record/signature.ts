import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** How a video or a sound says how long it gets. */
const LENGTHS = ['length', 'seconds', 'frames', 'duration'];
/** Characters of a version that tell it from the others of its name. */
const VERSION_CHARS = 12;

/**
 * What decides how long an execution takes: jobs with the same signature take alike. It begins with the lod and a `|`. A
 * script decodes it from JSON, and would fail for everybody whose job it makes with this one, so it is valid Unicode.
 */
export function signatureOf({ lod, workflow, version, shape, inputs }: ResolvedRequest): string {
  if (shape !== undefined) return [lod, workflow, shape].join('|');
  const { width = '', height = '', count = 1, steps = '', checkpoint = '' } = inputs;
  const length = LENGTHS.map((name) => inputs[name]).find((value) => typeof value === 'number');
  const size = `${width}x${height}x${count}${length === undefined ? '' : `x${length}`}`;
  return [lod, size, steps, workflow, checkpoint, version.slice(0, VERSION_CHARS)].join('|').toWellFormed();
}

/** What was learned of a pool's executions: ms by signature, by version, and by lod. */
export async function readDurations(redis: Redis, keys: Keys, pool: string): Promise<ReadonlyMap<string, number>> {
  const learned = await redis.hgetall(keys.durations(pool));
  return new Map(Object.entries(learned).map(([like, ms]) => [like, Number(ms)]));
}

/** How long such an execution takes as far as is known, in ms: of its own kind, else of its workflow, else of its lod. */
export function expectedMs(signature: string, durations: ReadonlyMap<string, number>): number | undefined {
  const version = `=${signature.slice(signature.lastIndexOf('|') + 1)}`;
  return (
    durations.get(signature) ?? durations.get(version) ?? durations.get(signature.slice(0, signature.indexOf('|')))
  );
}
