import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet, JobHandle } from '@comfy-fleet/client';
import { callerSettings } from '@comfy-fleet/config';
import type { Surroundings } from '../command.js';
import { codeOf, Interrupted } from '../exit-codes.js';
import { createReport, type Report } from './report.js';
import { saveOutputs } from './save-outputs.js';
import type { Graphics } from './terminal-pictures.js';

/** There is no event of its place in the queue. */
const LOOK_MS = 2_000;

export interface FollowOptions {
  readonly json?: boolean;
  readonly picture?: Graphics | false;
  /** See readTemplate; undefined: files stay where they are. */
  readonly template?: string | undefined;
  readonly cancelOnExit?: boolean;
}

/**
 * Follows a job to its end, saves what it made, and resolves to the exit code. Throws Interrupted at Ctrl-C: the job goes on,
 * unless it is to be canceled then.
 */
export async function follow(
  fleet: Fleet,
  job: JobHandle,
  options: FollowOptions,
  surroundings: Surroundings,
): Promise<number> {
  const signal = surroundings.interrupted();
  const report = createReport(surroundings, options);
  try {
    report.job(job.snapshot);
    await watch(fleet, job, report, signal);
    if (options.template !== undefined && job.status === 'succeeded') {
      for await (const file of saveOutputs(job, { template: options.template, signal })) report.file(file);
    }
    await report.ended(job);
    return codeOf(job);
  } catch (error) {
    if (!signal.aborted) throw error;
    report.close();
    throw await left(job, callerSettings(surroundings.env).program, options);
  } finally {
    report.close();
  }
}

async function watch(fleet: Fleet, job: JobHandle, report: Report, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const looking = lookForPlace(fleet, job, report, ended.signal);
  try {
    for await (const { type, data } of job.events({ signal })) {
      if (type === 'status') report.job(data);
      if (type === 'progress') report.progress(data);
      if (type === 'preview') report.preview(data);
    }
  } finally {
    ended.abort();
    await looking;
  }
}

/** Tells of a job that waits how it gets on in the queue. */
async function lookForPlace(fleet: Fleet, job: JobHandle, report: Report, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await delay(LOOK_MS, undefined, { signal });
      if (job.status !== 'queued') continue;
      const { snapshot } = await fleet.jobs.get(job.id, { signal });
      if (snapshot.status === 'queued' && job.status === 'queued') report.job(snapshot);
    }
  } catch {
    // it has ended; or the API does not answer, and then the events say so
  }
}

/** What Ctrl-C leaves behind. */
async function left(job: JobHandle, program: string, { cancelOnExit = false }: FollowOptions): Promise<Interrupted> {
  if (!cancelOnExit) {
    return new Interrupted(
      `The job goes on.\nTo follow it:  ${program} watch ${job.id}\nTo cancel it:  ${program} cancel ${job.id}`,
    );
  }
  const { status } = await job.cancel();
  return new Interrupted(`The job ${job.id} is ${status === 'canceling' ? 'being canceled' : status}.`);
}
