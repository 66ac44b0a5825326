import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, JobEndedError, type JobHandle, type OrderOptions } from '@comfy-fleet/client';
import { type Surroundings, UsageError } from '../../command.js';
import { codeOf, EXIT, explain, Interrupted } from '../../exit-codes.js';
import type { Order } from '../requests.js';
import { saveOutputs } from '../save-outputs.js';
import { type Row, readSheet, type Sheet } from './read-sheet.js';
import { createSheetReport } from './sheet-report.js';

export interface SheetOptions {
  readonly from: string;
  /** How many jobs are open at a time. */
  readonly parallel: number;
  readonly json?: boolean;
  /** See readTemplate; undefined: files stay where they are. */
  readonly template?: string | undefined;
  readonly cancelOnExit?: boolean;
}

/** Refused whatever the row says: the next row would be too. */
const HOPELESS: ReadonlySet<string> = new Set(['unauthorized', 'forbidden']);

/**
 * Makes a job of each row of a file and follows them to their ends. Resolves to the exit code: that of the worst row. Throws
 * Interrupted at Ctrl-C, and what stands in the way of all rows.
 */
export async function runSheet(
  orderOf: (row: Row, sheet: Sheet) => Promise<Order>,
  { from, parallel, template, ...options }: SheetOptions,
  surroundings: Surroundings,
): Promise<number> {
  const sheet = await readSheet(from);
  const interrupted = surroundings.interrupted();
  const stop = new AbortController();
  const { signal } = stop;
  interrupted.addEventListener('abort', () => stop.abort());
  const place = rowPlacer(basename(from));
  const report = createSheetReport(surroundings, { ...options, total: sheet.rows.length });
  const open = new Set<JobHandle>();
  let code: number = EXIT.done;
  let done = 0;

  const runRow = async (row: Row) => {
    const job = await place(await orderOf(row, sheet).catch(inRow(row)), signal);
    open.add(job);
    report.under(open.size);
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
    stop.abort(); // the other rows too
    report.close();
    if (!interrupted.aborted) throw error;
    throw await left([...open], `${done} of ${sheet.rows.length} rows are done`, options.cancelOnExit === true);
  } finally {
    report.close();
  }
}

/** What has ended badly is told by its status. */
function unlessEnded(error: unknown): void {
  if (!(error instanceof JobEndedError)) throw error;
}

function inRow({ line }: Row): (error: unknown) => never {
  return (error) => {
    throw error instanceof UsageError ? new UsageError(`line ${line}: ${error.message}`) : error;
  };
}

/** What Ctrl-C leaves behind. */
async function left(open: readonly JobHandle[], done: string, cancel: boolean): Promise<Interrupted> {
  const again = 'Run the same command again to go on: what is done is not made again.';
  const jobs = `${open.length} ${open.length === 1 ? 'job' : 'jobs'}`;
  if (!cancel) return new Interrupted(`${done}, ${jobs} under way: they go on. ${again}`);
  await Promise.all(open.map((job) => job.cancel()));
  return new Interrupted(`${done}, ${jobs} canceled. ${again}`);
}

/** There will be room when other jobs have ended, of which this file may have many. */
const ROOM: ReadonlySet<string> = new Set(['queue_full', 'rate_limited', 'overloaded']);
const BAD_ENDS: ReadonlySet<string> = new Set(['failed', 'canceled', 'expired']);

/** Places the orders of one file, each once: a function for its rows. */
export function rowPlacer(file: string): (order: Order, signal: AbortSignal) => Promise<JobHandle> {
  const seen = new Map<string, number>();
  return async (order, signal) => {
    const nth = seen.get(order.identity) ?? 0;
    seen.set(order.identity, nth + 1);
    for (let attempt = 0; ; attempt++) {
      const job = await existing(order, { idempotencyKey: lineKey(file, order.identity, nth, attempt), signal });
      // A job that has ended before is of an earlier run: that is what is run again.
      if (job !== undefined && !BAD_ENDS.has(job.status)) return job;
    }
  };
}

/** The new job, or that of an earlier run; undefined: that one has been deleted. Waits for room in the queue. */
async function existing(order: Order, options: OrderOptions): Promise<JobHandle | undefined> {
  for (;;) {
    try {
      return await order.place(options);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      if (error.code === 'job_not_found') return undefined;
      if (!ROOM.has(error.code)) throw error;
      await delay((error.retryAfterSeconds ?? 1) * 1000, undefined, options);
    }
  }
}

/**
 * The Idempotency-Key of a row: the same whenever the same row of the file is run again, wherever it stands by then, so that
 * no job is made twice. Rows that ask for the same are told apart by `nth`, tries of one whose job ended badly by `attempt`.
 */
export function lineKey(file: string, identity: string, nth: number, attempt: number): string {
  return createHash('sha256')
    .update(JSON.stringify([file, identity, nth, attempt]))
    .digest('hex');
}
