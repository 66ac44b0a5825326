import type { ResolvedRequest } from '@comfy-fleet/contracts';

/**
 * What decides how long an execution takes: jobs with the same signature take alike. It begins with the lod and a `|`. A
 * script decodes it from JSON, and would fail for everybody whose job it makes with this one, so it is valid Unicode.
 */
export function signatureOf(request: ResolvedRequest): string {
  const { lod, width, height, count, steps, workflow, checkpoint } = request;
  return [lod, `${width}x${height}x${count}`, steps, workflow, checkpoint].join('|').toWellFormed();
}

/** How long such an execution takes as far as is known, in ms: of its own kind, else of its lod. */
export function expectedMs(signature: string, durations: ReadonlyMap<string, number>): number | undefined {
  return durations.get(signature) ?? durations.get(signature.slice(0, signature.indexOf('|')));
}
