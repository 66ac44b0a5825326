import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HistoryEntry, OutputFile } from '@comfy-fleet/comfyui';
import { SAVES_PNG } from '@comfy-fleet/workflows';
import type { Submission } from '../submission/submission.js';
import { recordBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import type { Tools } from './tools.js';

/** The last chunk of every complete PNG. A WebP begins with its length instead (RFC 9649, 2.4). */
const PNG_END = Buffer.from('0000000049454e44ae426082', 'hex');

/**
 * Finds what a prompt rendered before its instance forgot it, as a history entry; undefined unless every file of every
 * output exists and is complete. A restart of ComfyUI loses its history but not the files of the prompt, and nobody
 * else can have written files with these names. Even one file shows that the execution began, which is recorded. A
 * prompt that makes anything but pictures is not collected, because its texts were only in the history, and neither is
 * one whose folder we cannot access.
 */
export async function findRenderedFiles(
  job: HeldJob,
  submission: Submission,
  { instanceNames }: Pick<Tools, 'instanceNames'>,
): Promise<HistoryEntry | undefined> {
  const { output } = job.instance.folders;
  if (output === undefined || job.cancelRequested) return undefined;
  const prefix = instanceNames.outputPrefix(submission.promptId);
  const names = await readdir(output).catch((error: unknown) => {
    job.log.warn('the output folder of ComfyUI could not be searched for rendered files', { error });
    return [];
  });
  const ours = names.filter((name) => name.startsWith(`${prefix}-`)).sort();
  if (ours.length === 0) return undefined;
  if (!submission.hasBegun) {
    submission.hasBegun = true;
    job.attempts += 1;
  }
  await recordBeginning(job);
  const outputs = filesOfNodes(ours, prefix, submission, job.record.request.inputs.count);
  const whole = await Promise.all(outputs.map(({ filename }) => isWhole(join(output, filename))));
  if (outputs.length === 0 || whole.includes(false)) return undefined;
  job.log.info('collecting what ComfyUI rendered and has forgotten', { prompt_id: submission.promptId });
  return {
    outcome: 'success',
    startedAt: undefined,
    endedAt: undefined,
    outputs,
    temporary: [],
    texts: [],
    values: [],
  };
}

/** Empty unless each output of the graph has as many files as the request has pictures. */
function filesOfNodes(
  names: readonly string[],
  prefix: string,
  { graph, outputs }: Submission,
  count: unknown,
): readonly OutputFile[] {
  const nodes = Object.entries(graph).filter(([, { inputs }]) => `${inputs.filename_prefix}`.startsWith(`${prefix}-`));
  // Only the files of this class show how many there will be and whether each is complete.
  const saving = new Set(nodes.filter(([, node]) => node.class_type === SAVES_PNG).map(([id]) => id));
  const expected = [...outputs.keys()].filter((id) => Object.hasOwn(graph, id));
  if (nodes.length > saving.size || expected.some((id) => !saving.has(id))) return [];
  const ofNodes = nodes.map(([nodeId, { inputs }]) =>
    names
      .filter((name) => name.startsWith(`${inputs.filename_prefix}_`))
      .map((filename) => ({ nodeId, filename, subfolder: '', type: 'output', key: 'images' })),
  );
  return ofNodes.every(({ length }) => length > 0 && length === count) ? ofNodes.flat() : [];
}

/** Whether the PNG or WebP is complete. False also for a file that was deleted meanwhile. */
async function isWhole(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { size } = await file.stat();
    if (path.endsWith('.webp')) {
      const head = Buffer.alloc(8);
      await file.read(head, 0, head.length, 0);
      return size > head.length && head.readUInt32LE(4) + head.length === size;
    }
    const end = Buffer.alloc(PNG_END.length);
    await file.read(end, 0, end.length, Math.max(0, size - end.length));
    return end.equals(PNG_END);
  } finally {
    await file.close();
  }
}
