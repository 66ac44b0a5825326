import { joinSignals, orAborted } from '@comfy-fleet/contracts';
import { type Finding, reportOf } from './finding.js';

export interface Check {
  readonly name: string;
  /** Longest time it may take, in ms. */
  readonly deadlineMs: number;
  /** Throws only for what it did not expect, and the signal's reason. */
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

/** Makes the checks one after the other, so that none disturbs what another measures; yields what each finds. */
export async function* runChecks(checks: readonly Check[]): AsyncGenerator<readonly Finding[]> {
  for (const check of checks) yield await runCheck(check);
}

async function runCheck({ name, deadlineMs, run }: Check): Promise<readonly Finding[]> {
  const { fail } = reportOf(name);
  const late = joinSignals([], { ms: deadlineMs });
  try {
    return await orAborted(run(late.signal), late.signal);
  } catch (error) {
    if (late.signal.aborted) {
      const fix = 'see whether what it asks is overloaded, or whether something on the way swallows packets';
      return [fail(`this check did not end within ${deadlineMs / 1000} s`, fix)];
    }
    const words = error instanceof Error ? error.message : String(error);
    return [fail(`this check failed itself: ${words}`, 'report it with the output of npm run doctor -- --json')];
  } finally {
    late.end();
  }
}
