import type { Fleet, JobHandle, OrderOptions } from '@comfy-fleet/client';
import type { CommandIo } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { connect } from './connect.js';
import { follow } from './follow.js';
import type { MakeOptions, SheetMakeOptions } from './options.js';
import type { JobRequest } from './requests.js';
import { readTemplate } from './save-outputs.js';
import type { Row, Sheet } from './sheets/read-sheet.js';
import { jobSummary } from './show-job.js';

/** How a command builds its job requests. */
export interface RequestSource {
  /** From its arguments alone. */
  one(fleet: Fleet): Promise<JobRequest>;
  /** From a row of a file; the arguments fill what the row leaves out. */
  ofRow(fleet: Fleet, row: Row, sheet: Sheet): Promise<JobRequest>;
}

/** Makes one job, or one for each row of --from. Resolves to the exit code. */
export async function makeJobs(
  { one, ofRow }: RequestSource,
  { from, parallel, ...options }: SheetMakeOptions,
  io: CommandIo,
): Promise<number> {
  if (from === undefined) {
    return makeJob(async (fleet, more) => (await one(fleet)).send(more), options, io);
  }
  const template = options.output === undefined ? undefined : readTemplate(options.output, 'rows');
  const fleet = await connect(options, io);
  const { runSheet } = await import('./sheets/run-sheet.js');
  const requestOf = (row: Row, sheet: Sheet) => ofRow(fleet, row, sheet);
  return runSheet(requestOf, { ...options, from, parallel, template }, io);
}

/** Sends a request and follows its job, unless --detach is set. Resolves to the exit code. */
export async function makeJob(
  send: (fleet: Fleet, options: OrderOptions) => Promise<JobHandle>,
  { output, idempotencyKey, ...options }: MakeOptions,
  io: CommandIo,
): Promise<number> {
  const template = output === undefined ? undefined : readTemplate(output, 'one job');
  const fleet = await connect(options, io);
  const job = await send(fleet, idempotencyKey === undefined ? {} : { idempotencyKey });
  if (options.detach !== true) return follow(fleet, job, { ...options, template }, io);
  printJob(job, options, io);
  return EXIT.done;
}

/** Prints a job: a line for people, JSON for programs. */
export function printJob(
  { snapshot }: JobHandle,
  { json = false }: { readonly json?: boolean },
  { terminal, result }: CommandIo,
): void {
  result(terminal === undefined || json ? JSON.stringify(snapshot) : jobSummary(snapshot));
}
