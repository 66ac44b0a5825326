import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orAborted } from '@comfy-fleet/contracts';
import { Scope } from '../lib/scope.js';
import type { JudgedBreach } from './checks/promises.js';

export interface TrialContext {
  /** The folder of the trial. */
  readonly dir: string;
  /** Stops everything that the trial has started. */
  readonly scope: Scope;
}

/**
 * Runs a trial in a new folder, which is kept if a promise was broken (`keptIn`). Everything that the trial started is
 * stopped at its end or when the signal aborts.
 */
export async function runTrial<T extends { readonly breaches: readonly unknown[] }>(
  name: string,
  signal: AbortSignal,
  trial: (context: TrialContext) => Promise<T>,
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

/** Prints the broken promises of a trial, each with its timeline. */
export function describeBreaches({
  breaches,
  keptIn,
}: {
  readonly breaches: readonly JudgedBreach[];
  readonly keptIn: string | undefined;
}): string {
  const described = breaches.flatMap(({ check, what, timeline }) => [
    `BROKEN (${check}): ${what}`,
    ...timeline.map((line) => `    ${line}`),
  ]);
  const kept = keptIn === undefined ? [] : [`logs, journals and evidence: ${keptIn}`];
  return [`promises broken: ${breaches.length}`, ...described, ...kept, ''].join('\n');
}

/** Parses a seed, which is random by default; undefined if it is not an integer. */
export function readSeed(text = `${Date.now() % 1_000_000}`): number | undefined {
  const seed = Number(text);
  return Number.isSafeInteger(seed) ? seed : undefined;
}

/** The result of one phase of `bench:fleet`. */
export interface PhaseReport {
  /** The tables to print. */
  readonly tables: readonly string[];
  readonly breaches: readonly JudgedBreach[];
}

export interface PhaseOptions extends TrialContext {
  readonly seed: number;
  /** Prints one line of progress. */
  readonly print: (line: string) => void;
}
