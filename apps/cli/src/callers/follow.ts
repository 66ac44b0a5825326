import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet, JobHandle } from '@comfy-fleet/client';
import { callerSettings } from '@comfy-fleet/config';
import type { CommandIo } from '../command.js';
import { codeOf, Interrupted } from '../exit-codes.js';
import { createReport, type Report } from './report.js';
import { saveOutputs } from './save-outputs.js';
import type { Graphics } from './terminal-pictures.js';

/** Queue positions are polled, since there is no event for them. */
const POLL_MS = 2_000;

export interface FollowOptions {
  readonly json?: boolean;
  readonly picture?: Graphics | false;
  /** See readTemplate; undefined: files are not saved. */
  readonly template?: string | undefined;
  readonly cancelOnExit?: boolean;
}

/**
 * Follows a job to its end, saves its files, and resolves to the exit code. Throws Interrupted at Ctrl-C; the job continues
 * unless --cancel-on-exit is set.
 */
export async function follow(fleet: Fleet, job: JobHandle, options: FollowOptions, io: CommandIo): Promise<number> {
  const signal = io.interrupted();
  const report = createReport(io, options);
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
    throw await interruptedError(job, callerSettings(io.env).program, options);
  } finally {
    report.close();
  }
}

async function watch(fleet: Fleet, job: JobHandle, report: Report, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const polling = pollPosition(fleet, job, report, ended.signal);
  try {
    for await (const { type, data } of job.events({ signal })) {
      if (type === 'status') report.job(data);
      if (type === 'progress') report.progress(data);
      if (type === 'preview') report.preview(data);
    }
  } finally {
    ended.abort();
    await polling;
  }
}

/** Reports the queue position of a waiting job until the signal aborts. */
async function pollPosition(fleet: Fleet, job: JobHandle, report: Report, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await delay(POLL_MS, undefined, { signal });
      if (job.status !== 'queued') continue;
      const { snapshot } = await fleet.jobs.get(job.id, { signal });
      if (snapshot.status === 'queued' && job.status === 'queued') report.job(snapshot);
    }
  } catch {
    // the job has ended, or the API does not answer, which the event stream reports
  }
}

/** Cancels the job if that was requested, and says what happens to it. */
async function interruptedError(
  job: JobHandle,
  program: string,
  { cancelOnExit = false }: FollowOptions,
): Promise<Interrupted> {
  if (!cancelOnExit) {
    return new Interrupted(
      `The job continues.\nTo follow it:  ${program} watch ${job.id}\nTo cancel it:  ${program} cancel ${job.id}`,
    );
  }
  const { status } = await job.cancel();
  return new Interrupted(`The job ${job.id} is ${status === 'canceling' ? 'being canceled' : status}.`);
}
