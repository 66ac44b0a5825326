import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import type { PromptOutcome } from '../instruments.js';
import type { End } from './follow.js';

/** The result of a submission: the rendering or an error, and the label under which it is counted. */
export type Outcome =
  | { readonly counted: PromptOutcome; readonly entry: HistoryEntry; readonly error?: undefined }
  | { readonly counted: PromptOutcome; readonly entry?: undefined; readonly error: FleetError };

interface Given {
  /** The caller canceled the job. */
  readonly cancelRequested: boolean;
  readonly instance: { readonly name: string };
}

/** `longestMs` is the longest execution that the job may take. */
export function outcomeOf(end: End, { cancelRequested, instance }: Given, longestMs: number): Outcome {
  const late = `The execution took longer than ${longestMs / 1000} s, the most that this job may take`;
  switch (end.state) {
    case 'hung':
      return {
        counted: 'wedged',
        error: new FleetError('timed_out', `${late}. It ignored the interrupt and was given up.`),
      };
    case 'absent': {
      const why = end.died ? 'was restarted while it had the prompt' : 'forgot the prompt';
      const error = new FleetError('prompt_lost', `The instance ${instance.name} ${why}.`);
      return { counted: cancelRequested ? 'removed' : 'lost', error };
    }
    case 'ended':
      return ofEntry(
        end.entry,
        end.timedOut ? new FleetError('timed_out', `${late}, and was interrupted.`) : undefined,
      );
  }
}

function ofEntry(entry: HistoryEntry, late: FleetError | undefined): Outcome {
  switch (entry.outcome) {
    case 'success':
      return { counted: 'succeeded', entry };
    case 'error': {
      const error =
        entry.error ?? new FleetError('node_execution_error', 'The workflow failed; ComfyUI gave no reason.');
      return { counted: 'failed', error: late ?? error };
    }
    case 'interrupted': {
      const detail = 'Somebody other than the caller interrupted the prompt in ComfyUI.';
      return { counted: 'interrupted', error: late ?? new FleetError('interrupted', detail) };
    }
  }
}
