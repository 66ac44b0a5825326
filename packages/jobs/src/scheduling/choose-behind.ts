import { type Chooser, isRefused, type Rules } from './choose.js';
import { asList, instancesOf, numberOrNone } from './snapshot.js';

/** A job whose prompt waits behind another one in a ComfyUI. */
export interface BehindJob {
  readonly id: string;
  readonly key: string;
  readonly affinity: string;
  /** When it is expected to start there, in ms since 1970 by Redis' clock. */
  readonly startsAt: number;
  /** How many ms the idle instance would load models for it; -1 if it cannot run it, undefined if that is unknown. */
  readonly loadMs: number | undefined;
  readonly failedOn: readonly string[];
  /** When an idle instance last recalled it. */
  readonly movedAt: number | undefined;
  /** Its request, if it is unknown what the instance would load. */
  readonly request: string | undefined;
}

interface BehindReply {
  readonly now: string;
  readonly jobs: readonly {
    readonly id: string;
    readonly key: string;
    readonly affinity: string;
    readonly starts_at: string;
    readonly load_ms?: string;
    readonly faults?: string;
    readonly moved_at?: string;
    readonly request?: string;
  }[];
}

/** Parses the reply of lua/scheduling/behind.lua. Jobs that would start last come first. */
export function parseBehind(text: string): { readonly now: number; readonly jobs: readonly BehindJob[] } {
  const { now, jobs } = JSON.parse(text) as BehindReply;
  return {
    now: Number(now),
    jobs: asList(jobs).map(({ starts_at, load_ms, faults, moved_at, request, ...job }) => ({
      ...job,
      startsAt: Number(starts_at),
      loadMs: numberOrNone(load_ms),
      failedOn: instancesOf(faults),
      movedAt: numberOrNone(moved_at),
      request,
    })),
  };
}

/**
 * Chooses the job that an idle instance recalls: the first one for which it would load models faster than the job would
 * start where it waits, or for which it loads nothing. Skips jobs that failed on it, and jobs that were moved within
 * the patience.
 */
export function chooseBehind(now: number, jobs: readonly BehindJob[], chooser: Chooser, { patienceMs }: Rules) {
  return jobs.find(({ key, affinity, startsAt, loadMs, failedOn, movedAt }) => {
    if (isRefused(key, affinity, chooser) || failedOn.includes(chooser.name ?? '')) return false;
    if (movedAt !== undefined && Math.abs(now - movedAt) < patienceMs) return false;
    const load = loadMs ?? chooser.loads?.get(affinity) ?? -1;
    return load === 0 || (load > 0 && Math.abs(startsAt - now) > load);
  });
}
