import type { Fleet, JobHandle, OrderOptions } from '@comfy-fleet/client';
import type { Surroundings } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { ending } from '../text.js';
import { connect } from './connect.js';
import { follow } from './follow.js';
import type { MakeOptions, SheetMakeOptions } from './options.js';
import type { Order } from './requests.js';
import { readTemplate } from './save-outputs.js';
import type { Row, Sheet } from './sheets/read-sheet.js';

/** How a command makes its orders. */
export interface Making {
  /** Of its arguments alone. */
  one(fleet: Fleet): Promise<Order>;
  /** Of a row of a file, and of the arguments where the row says nothing. */
  ofRow(fleet: Fleet, row: Row, sheet: Sheet): Promise<Order>;
}

/** Makes one job, or one of each row of --from. Resolves to the exit code. */
export async function makeJobs(
  { one, ofRow }: Making,
  { from, parallel, ...options }: SheetMakeOptions,
  surroundings: Surroundings,
): Promise<number> {
  if (from === undefined) {
    return makeJob(async (fleet, more) => (await one(fleet)).place(more), options, surroundings);
  }
  const template = options.output === undefined ? undefined : readTemplate(options.output, 'rows');
  const fleet = await connect(options, surroundings);
  const { runSheet } = await import('./sheets/run-sheet.js');
  const orderOf = (row: Row, sheet: Sheet) => ofRow(fleet, row, sheet);
  return runSheet(orderOf, { ...options, from, parallel, template }, surroundings);
}

/** Places an order and follows its job, unless it is to be left to itself. Resolves to the exit code. */
export async function makeJob(
  place: (fleet: Fleet, options: OrderOptions) => Promise<JobHandle>,
  { output, idempotencyKey, ...options }: MakeOptions,
  surroundings: Surroundings,
): Promise<number> {
  const template = output === undefined ? undefined : readTemplate(output, 'one job');
  const fleet = await connect(options, surroundings);
  const job = await place(fleet, idempotencyKey === undefined ? {} : { idempotencyKey });
  if (options.detach !== true) return follow(fleet, job, { ...options, template }, surroundings);
  tellJob(job, options, surroundings);
  return EXIT.done;
}

/** One job: a line for a person, JSON for a program. */
export function tellJob(
  { snapshot }: JobHandle,
  { json = false }: { readonly json?: boolean },
  { terminal, result }: Surroundings,
): void {
  result(terminal === undefined || json ? JSON.stringify(snapshot) : ending(snapshot));
}
