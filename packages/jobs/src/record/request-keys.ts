import { hash } from 'node:crypto';
import { filesOf, graphOf, isInputFile, type Lod, type ResolvedRequest } from '@comfy-fleet/contracts';
import { GRAPH, mayBeOption } from '@comfy-fleet/workflows';

/** Inputs that give the length of a video or a sound. */
const LENGTHS = ['length', 'seconds', 'frames', 'duration'];
/** Characters of the version in a signature. */
const VERSION_CHARS = 12;

/**
 * The signature of a request: jobs with the same signature take about the same time. It begins with the lod and a `|`.
 * A script decodes it from JSON together with the jobs of other callers, so it must be valid Unicode.
 */
export function signatureOf({ lod, workflow, version, shape, inputs }: ResolvedRequest): string {
  if (shape !== undefined) return [lod, workflow, shape].join('|');
  const { width = '', height = '', count = 1, steps = '', checkpoint = '' } = inputs;
  const length = LENGTHS.map((name) => inputs[name]).find((value) => typeof value === 'number');
  const size = `${width}x${height}x${count}${length === undefined ? '' : `x${length}`}`;
  return [lod, size, steps, workflow, checkpoint, version.slice(0, VERSION_CHARS)].join('|').toWellFormed();
}

export function lodOf(signature: string): Lod {
  return signature.slice(0, signature.indexOf('|')) as Lod;
}

/** Characters of an affinity key: with some thousand keys, the chance that two are equal is about 10^-11. */
const LENGTH = 10;
/** Affinity keys of callers' own graphs begin with this, by which lua/shared/kills.lua recognizes their queues. */
export const GRAPH_AFFINITY = `${GRAPH}-`;

/**
 * The affinity key of a request: jobs with the same key can run on the same instances, which load the same models for
 * them.
 */
export function affinityKeyOf(request: ResolvedRequest): string {
  const { shape, inputs, outputs, choices, denied } = request;
  const chosen = Object.entries(inputs).filter(([name, value]) => choices?.includes(name) ?? mayBeOption(name, value));
  const parts = JSON.stringify([
    // Without its amounts, see shapeOf in packages/workflows.
    shape?.split('.')[0] ?? graphOf(request),
    shape === undefined ? chosen.sort(([a], [b]) => (a < b ? -1 : 1)) : [],
    outputs,
    ...(denied ?? []),
  ]);
  const digest = hash('sha1', parts, 'base64url').slice(0, LENGTH);
  return request.workflow === GRAPH ? GRAPH_AFFINITY + digest : digest;
}

/** Characters of a digest of `reuseOf`, so many that no two requests of a key ever have the same. */
const REUSE_LENGTH = 22;

/** Equal for requests that make the same outputs: same workflow, version, input values, file contents and outputs. */
export function reuseOf({ workflow, version, inputs, outputs }: ResolvedRequest): string {
  const values = Object.entries(inputs).map(([name, value]) => [name, isInputFile(value) ? [value.name] : value]);
  const parts = JSON.stringify([
    workflow,
    version,
    values.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    outputs,
  ]);
  return hash('sha256', parts, 'base64url').slice(0, REUSE_LENGTH);
}

/** The digests of the files that a job starts from, without duplicates. File names begin with them. */
export function digestsOf(request: ResolvedRequest): readonly string[] {
  return [...new Set(filesOf(request).map(([, { name }]) => name.slice(0, name.indexOf('.'))))];
}
