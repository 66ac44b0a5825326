import type { TerminalStatus } from '@comfy-fleet/contracts';
import type { WorkItem } from '../queue/pool-worker.js';
import { picturesOf } from '../record/outputs.js';
import type { JobRecord, Timings } from '../record/record.js';
import type { ScriptName } from '../scripts.js';
import type { Claim, Outcome, Verdict } from './claim.js';
import type { RedisClock } from './redis-clock.js';

/** Runs one transition script of the job; the prefix, id and lifetime are added by the caller. */
export type Transition = (name: ScriptName, args: readonly (string | number)[]) => Promise<unknown>;

interface Writing {
  readonly run: Transition;
  readonly clock: RedisClock;
  /** Executions of an instance that are remembered. */
  readonly timelineEntries: number;
}

export function heldClaim(
  record: JobRecord,
  item: WorkItem,
  { run, clock, timelineEntries }: Writing,
  reads: Pick<Claim, 'isListenedTo' | 'origin'>,
): Claim {
  const claim = `${record.claim} ${item.token}`;
  const verdict = async (name: ScriptName, ...args: string[]) => (await run(name, [claim, ...args])) as Verdict;
  // Instances of other hosts compare it with their time.
  const byRedis = (ms: number | undefined) => msOrNothing(ms === undefined ? undefined : clock.at(ms));
  return {
    record,
    submit: (promptId, instance, expectedStart) => verdict('submit', promptId, instance, byRedis(expectedStart)),
    start: (promptId, cachedNodes) =>
      verdict('start', promptId, cachedNodes === undefined ? '' : JSON.stringify(cachedNodes)),
    progress: (progress) => verdict('progress', JSON.stringify(progress)),
    ...reads,
    preview: (preview) => verdict('preview', JSON.stringify(preview)),
    collect: () => verdict('enterPhase', 'collecting'),
    lose: (promptId, why, faults) =>
      verdict('lose', promptId, why, faults === undefined ? '' : JSON.stringify(faults), `${timelineEntries}`),
    look: (expectedStart) => run('look', [claim, byRedis(expectedStart)]) as Promise<Verdict | 'recalled'>,
    finish: async (outcome, executed = '', timings = null) => {
      const args = [
        claim,
        outcome.status,
        outputsOf(outcome),
        errorOf(outcome),
        executed,
        isInDoubt(outcome) ? '1' : '',
        ...times(outcome, timings),
        timings === null ? '' : JSON.stringify(timings),
        `${outcome.status === 'succeeded' ? picturesOf(outcome.outputs).length : 0}`,
        `${timelineEntries}`,
      ];
      const became = (await run('finish', args)) as TerminalStatus | 'superseded';
      if (became === 'superseded') item.abandon();
      else item.done();
      return became;
    },
    release: async (delayMs, after) => {
      await verdict('release', after ?? '');
      item.giveBack(delayMs);
    },
    letGo: () => item.abandon(),
  };
}

function msOrNothing(ms: number | undefined): string {
  return ms === undefined ? '' : `${Math.round(ms)}`;
}

function outputsOf(outcome: Outcome): string {
  return outcome.status === 'canceled' || outcome.outputs === undefined ? '' : JSON.stringify(outcome.outputs);
}

function isInDoubt(outcome: Outcome): boolean {
  return outcome.status !== 'succeeded' && outcome.inDoubt === true;
}

/** How long it executed, and loaded models. */
function times(outcome: Outcome, timings: Timings | null): string[] {
  if (outcome.status === 'succeeded') return [msOrNothing(outcome.executedMs), msOrNothing(outcome.loadedMs)];
  return ['', msOrNothing(timings?.modelLoadMs ?? undefined)];
}

function errorOf(outcome: Outcome): string {
  return outcome.status === 'failed' ? JSON.stringify(outcome.error) : '';
}
