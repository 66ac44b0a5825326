import { parseStoredJson, showJson } from '@comfy-fleet/workflows';
import { isRecord } from '../../../server/is-record.js';
import type { SentPrompt } from './read-prompt.js';

/** What ComfyUI's answers repeat of a prompt and no other API shows: the origin of its job. */
export interface PromptOrigin {
  readonly number?: number;
  readonly front?: boolean;
  /** The worker gives it to ComfyUI. */
  readonly extraData: Readonly<Record<string, unknown>>;
  /** What the graph says for each file, by the input of the job. */
  readonly files: Readonly<Record<string, string>>;
}

export function writeOrigin({ number, front, extraData }: SentPrompt, files: PromptOrigin['files']): string {
  const origin: PromptOrigin = {
    ...(number === undefined ? {} : { number }),
    ...(front ? { front } : {}),
    extraData,
    files,
  };
  return showJson(origin);
}

/** Of a job that came by another API there is nothing to repeat. */
export function readOrigin(text: string | undefined): PromptOrigin {
  const origin = text === undefined ? undefined : parseStoredJson(text);
  if (!isRecord(origin) || !isRecord(origin.extraData)) return { extraData: {}, files: {} };
  return { files: {}, ...origin } as unknown as PromptOrigin;
}
