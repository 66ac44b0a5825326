import { hash } from 'node:crypto';
import { filesOf, graphOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import { mayBeOption } from '@comfy-fleet/workflows';

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

/** Characters of a digest: two of some thousand are the same once in 10^11 fleets. */
const LENGTH = 10;

/** Jobs with the same affinity key can be run by the same instances, which have to load the same for them. */
export function affinityKeyOf(request: ResolvedRequest): string {
  const { shape, inputs, outputs, choices } = request;
  const chosen = Object.entries(inputs).filter(([name, value]) => choices?.includes(name) ?? mayBeOption(name, value));
  const parts = JSON.stringify([
    graphOf(request),
    shape === undefined ? chosen.sort(([a], [b]) => (a < b ? -1 : 1)) : [],
    outputs,
  ]);
  return hash('sha1', parts, 'base64url').slice(0, LENGTH);
}

/** The digests of the files that a job starts from, each once: what their names begin with. */
export function digestsOf(request: ResolvedRequest): readonly string[] {
  return [...new Set(filesOf(request).map(([, { name }]) => name.slice(0, name.indexOf('.'))))];
}
