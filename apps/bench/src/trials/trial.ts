import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orAborted } from '@comfy-fleet/contracts';
import { Scope } from '../lib/scope.js';
import type { JudgedBreach } from './checks/promises.js';

/** Where a trial writes, and what ends what it starts. */
export interface Ground {
  readonly dir: string;
  readonly scope: Scope;
}

/**
 * Runs a trial in a folder of its own, which stays when something was breached: `keptIn`. When the signal aborts, or in the
 * end, everything that it has started is ended.
 */
export async function runTrial<T extends { readonly breaches: readonly unknown[] }>(
  name: string,
  signal: AbortSignal,
  trial: (ground: Ground) => Promise<T>,
): Promise<T & { readonly keptIn: string | undefined }> {
  const dir = await mkdtemp(join(tmpdir(), `comfy-fleet-${name}-`));
  const scope = new Scope();
  let keptIn: string | undefined;
  try {
    const report = await orAborted(trial({ dir, scope }), signal);
    if (report.breaches.length > 0) keptIn = dir;
    return { ...report, keptIn };
  } finally {
    await scope.close();
    if (keptIn === undefined) await rm(dir, { recursive: true, force: true });
  }
}

/** A seed that is drawn, unless one is given; undefined when that is no whole number. */
export function readSeed(text = `${Date.now() % 1_000_000}`): number | undefined {
  const seed = Number(text);
  return Number.isSafeInteger(seed) ? seed : undefined;
}

/** What one phase of `bench:fleet` has shown. */
export interface PhaseReport {
  /** As they are printed. */
  readonly tables: readonly string[];
  readonly breaches: readonly JudgedBreach[];
}

export interface PhaseOptions extends Ground {
  readonly seed: number;
  /** Takes one line of what is going on. */
  readonly say: (line: string) => void;
}
