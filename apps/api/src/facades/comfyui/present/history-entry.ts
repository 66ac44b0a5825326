import type { JobRecord } from '@comfy-fleet/jobs';
import { type PromptParts, promptTuple } from '../entries/prompt-parts.js';
import { messagesOf } from './messages.js';
import { nodeMeta } from './node-ids.js';
import { presentOutputs } from './outputs.js';
import { promptIdOf } from './prompt-id.js';

/** A job that has ended, as /history shows it, in JSON. */
export function historyEntry(record: JobRecord, parts: PromptParts): string {
  const { outputs, status } = presentEnd(record);
  const meta = Object.fromEntries(record.outputs.map((output) => [output.nodeId, nodeMeta(output)]));
  const about = { outputs, status, meta };
  return `{"prompt":${promptTuple(promptIdOf(record), parts)},${JSON.stringify(about).slice(1)}`;
}

/** What a job that has ended left, and how it ended. */
export function presentEnd(record: JobRecord) {
  const completed = record.status === 'succeeded';
  const status = { status_str: completed ? 'success' : 'error', completed, messages: messagesOf(record) };
  return { outputs: presentOutputs(record.outputs), status };
}
