import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { End } from '../src/job/follow.js';
import { outcomeOf } from '../src/job/outcome.js';

const entry = (outcome: HistoryEntry['outcome'], error?: FleetError): HistoryEntry => {
  return {
    outcome,
    startedAt: undefined,
    endedAt: undefined,
    outputs: [],
    texts: [],
    values: [],
    temporary: [],
    ...(error && { error }),
  };
};
const ended = (outcome: HistoryEntry['outcome'], timedOut = false, error?: FleetError): End => {
  return { state: 'ended', entry: entry(outcome, error), timedOut };
};
const of = (end: End, cancelRequested = false) =>
  outcomeOf(end, { cancelRequested, instance: { name: 'w/1' } }, 90_000);

it('is what ComfyUI rendered, even if that took too long', () => {
  expect(of(ended('success'))).toEqual({ counted: 'succeeded', entry: entry('success') });
  expect(of(ended('success', true))).toHaveProperty('entry');
});

it.each([
  ['raised an error', ended('error', false, new FleetError('gpu_failed', 'CUDA')), 'failed', 'gpu_failed'],
  ['gave no reason', ended('error'), 'failed', 'node_execution_error'],
  ['raised an error when it was interrupted for its time', ended('error', true), 'failed', 'timed_out'],
  ['was interrupted for its time', ended('interrupted', true), 'interrupted', 'timed_out'],
  ['was interrupted by somebody else', ended('interrupted'), 'interrupted', 'interrupted'],
  ['hears no interrupt', { state: 'hung', since: 0 }, 'wedged', 'timed_out'],
  ['was forgotten', { state: 'absent', died: false }, 'lost', 'prompt_lost'],
  ['went with its instance', { state: 'absent', died: true }, 'lost', 'prompt_lost'],
] as [string, End, string, string][])('is an error for a prompt that %s', (_what, end, counted, code) => {
  expect(of(end)).toMatchObject({ counted, error: { code } });
});

it('counts a canceled prompt that was taken out of the queue as removed', () => {
  expect(of({ state: 'absent', died: false }, true)).toMatchObject({ counted: 'removed' });
});
