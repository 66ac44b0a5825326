import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, JobEndedError, type JobHandle, type OrderOptions } from '@comfy-fleet/client';
import { type CommandIo, UsageError } from '../../command.js';
import { codeOf, EXIT, explain, Interrupted } from '../../exit-codes.js';
import type { JobRequest } from '../requests.js';
import { saveOutputs } from '../save-outputs.js';
import { type Row, readSheet, type Sheet } from './read-sheet.js';
import { createSheetReport } from './sheet-report.js';

export interface SheetOptions {
  readonly from: string;
  /** How many jobs are open at a time. */
  readonly parallel: number;
  readonly json?: boolean;
  /** See readTemplate; undefined: files are not saved. */
  readonly template?: string | undefined;
  readonly cancelOnExit?: boolean;
}

/** Errors that do not depend on the row, so that the next row would fail too. */
const HOPELESS: ReadonlySet<string> = new Set(['unauthorized', 'forbidden']);

/**
 * Makes a job from each row of a file and follows them to their ends. Resolves to the exit code of the worst row. Throws
 * Interrupted at Ctrl-C, and errors that affect all rows.
 */
export async function runSheet(
  requestOf: (row: Row, sheet: Sheet) => Promise<JobRequest>,
  { from, parallel, template, ...options }: SheetOptions,
  io: CommandIo,
): Promise<number> {
  const sheet = await readSheet(from);
  const interrupted = io.interrupted();
  const stop = new AbortController();
  const { signal } = stop;
  interrupted.addEventListener('abort', () => stop.abort());
  const send = createRowSender(basename(from));
  const report = createSheetReport(io, { ...options, total: sheet.rows.length });
  const open = new Set<JobHandle>();
  let code: number = EXIT.done;
  let done = 0;

  const runRow = async (row: Row) => {
    const job = await send(await requestOf(row, sheet).catch(inRow(row)), signal);
    open.add(job);
    report.open(open.size);
    await job.wait({ signal }).catch(unlessEnded);
    if (template !== undefined) {
      for await (const file of saveOutputs(job, { template, line: row.line, signal })) report.file(row.line, file);
    }
    open.delete(job);
    report.ended(row.line, job);
    code = Math.max(code, codeOf(job));
  };
  const rows = sheet.rows.values();
  const work = async () => {
    for (const row of rows) {
      signal.throwIfAborted();
      try {
        await runRow(row);
        done += 1;
      } catch (error) {
        if (!(error instanceof FleetError) || HOPELESS.has(error.code)) throw error;
        report.refused(row.line, error);
        code = Math.max(code, explain(error).code);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(parallel, sheet.rows.length) }, work));
    return code;
  } catch (error) {
    stop.abort(); // stop the other rows too
    report.close();
    if (!interrupted.aborted) throw error;
    throw await interruptedError(
      [...open],
      `${done} of ${sheet.rows.length} rows are done`,
      options.cancelOnExit === true,
    );
  } finally {
    report.close();
  }
}

/** Ignores that a job failed, since its status is reported. */
function unlessEnded(error: unknown): void {
  if (!(error instanceof JobEndedError)) throw error;
}

function inRow({ line }: Row): (error: unknown) => never {
  return (error) => {
    throw error instanceof UsageError ? new UsageError(`line ${line}: ${error.message}`) : error;
  };
}

/** Cancels the open jobs if that was requested, and says what happens to them. */
async function interruptedError(open: readonly JobHandle[], done: string, cancel: boolean): Promise<Interrupted> {
  const again = 'Run the same command again to continue: finished rows are not made again.';
  const jobs = `${open.length} ${open.length === 1 ? 'job' : 'jobs'}`;
  if (!cancel) return new Interrupted(`${done}, ${jobs} open, which will continue. ${again}`);
  await Promise.all(open.map((job) => job.cancel()));
  return new Interrupted(`${done}, ${jobs} canceled. ${again}`);
}

/** Errors that pass once other jobs have ended, which may be jobs of this same file. */
const ROOM: ReadonlySet<string> = new Set(['queue_full', 'rate_limited', 'overloaded']);
const BAD_ENDS: ReadonlySet<string> = new Set(['failed', 'canceled', 'expired']);

/** Returns a function that sends the requests of one file's rows, each exactly once even over several runs. */
export function createRowSender(file: string): (request: JobRequest, signal: AbortSignal) => Promise<JobHandle> {
  const seen = new Map<string, number>();
  return async (request, signal) => {
    const nth = seen.get(request.identity) ?? 0;
    seen.set(request.identity, nth + 1);
    for (let attempt = 0; ; attempt++) {
      const job = await sendOrFind(request, { idempotencyKey: lineKey(file, request.identity, nth, attempt), signal });
      // A job that ended badly is from an earlier run: send the row again with another key.
      if (job !== undefined && !BAD_ENDS.has(job.status)) return job;
    }
  };
}

/** The new job, or the one of an earlier run; undefined if that one was deleted. Waits while the queue is full. */
async function sendOrFind(request: JobRequest, options: OrderOptions): Promise<JobHandle | undefined> {
  for (;;) {
    try {
      return await request.send(options);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      if (error.code === 'job_not_found') return undefined;
      if (!ROOM.has(error.code)) throw error;
      await delay((error.retryAfterSeconds ?? 1) * 1000, undefined, options);
    }
  }
}

/**
 * The Idempotency-Key of a row. It is the same in every run, even if the row has moved within the file, so that no job is made
 * twice. `nth` distinguishes identical rows, `attempt` the retries of a row whose job ended badly.
 */
export function lineKey(file: string, identity: string, nth: number, attempt: number): string {
  return createHash('sha256')
    .update(JSON.stringify([file, identity, nth, attempt]))
    .digest('hex');
}
