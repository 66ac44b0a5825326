import { filesOf } from '@comfy-fleet/contracts';
import { addSpanEvent, setSpanAttributes } from '@comfy-fleet/telemetry';
import { CallerNames } from '../submission/caller-names.js';
import type { BoundGraph, Submission } from '../submission/submission.js';
import { loseSubmission } from './clean-up.js';
import type { HeldJob } from './held-job.js';
import { findRenderedFiles } from './rendered-files.js';
import { Canceled } from './signals.js';
import { retryUntilReachable } from './step-wrappers.js';
import { bindJob, originOf } from './submit.js';
import type { Tools } from './tools.js';

/**
 * Looks for the submission that an earlier claim left in this instance, and adopts it if ComfyUI still has it or its
 * result, or if all of its files are still there. `gone` when none of these exist; undefined when the record has no
 * submission for this instance.
 */
export async function adopt(job: HeldJob, tools: Tools): Promise<Submission | 'gone' | undefined> {
  const { left: promptId } = job;
  if (promptId === undefined) return undefined;
  if (job.record.instance !== job.instance.name) {
    job.log.warn('the instance that had the submission is out of reach; rendering again', { had: job.record.instance });
    tools.instruments.retries.inc({ code: 'prompt_lost' });
    await loseSubmission(job, 'lost', tools);
    if (job.cancelRequested) throw new Canceled();
    return undefined;
  }
  const submission = job.takeOver(promptId, await graphOf(job, promptId, tools));
  const found = await retryUntilReachable(job, () => job.instance.ask((client) => client.find(promptId, job.signal)));
  if (found.state === 'absent') {
    submission.entry = await findRenderedFiles(job, submission, tools);
    if (submission.entry !== undefined) return submission;
    job.log.warn('the earlier submission is gone', { prompt_id: promptId });
    tools.instruments.retries.inc({ code: 'prompt_lost' });
    await loseSubmission(job, 'died', tools);
    if (job.cancelRequested) throw new Canceled();
    return 'gone';
  }
  setSpanAttributes({ 'comfy_fleet.adopted': true });
  job.log.info('adopted a submission', { prompt_id: promptId, state: found.state });
  addSpanEvent('submitted');
  submission.submittedAt = performance.now();
  return submission;
}

/**
 * If binding fails, the submission gets no graph: it shows no progress, and stored files keep the graph that ComfyUI
 * wrote, without our names.
 */
async function graphOf(job: HeldJob, promptId: string, tools: Tools): Promise<BoundGraph> {
  const { key, request } = job.record;
  const files = new Map(filesOf(request).map(([input, { name }]) => [input, tools.instanceNames.input(key, name)]));
  try {
    return await bindJob(job, { promptId, origin: await originOf(job, tools), files }, tools);
  } catch (error) {
    job.log.warn('the graph of an adopted submission cannot be bound any more', { error });
    const prefix = tools.instanceNames.outputPrefix(promptId);
    const names = new CallerNames({ prefix, files: new Map([...files].map(([input, name]) => [name, input])) });
    return { version: '', graph: {}, loaders: new Map(), times: new Map(), outputs: new Map(), names };
  }
}
