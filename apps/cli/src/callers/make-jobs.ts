import type { Fleet } from '@comfy-fleet/client';
import type { Surroundings } from '../command.js';
import { connect } from './connect.js';
import { readTemplate } from './file-names.js';
import { makeJob } from './make-job.js';
import type { SheetMakeOptions } from './options.js';
import type { Order } from './orders.js';
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
