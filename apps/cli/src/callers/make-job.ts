import type { Fleet, JobHandle, OrderOptions } from '@comfy-fleet/client';
import type { Surroundings } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { connect } from './connect.js';
import { readTemplate } from './file-names.js';
import { follow } from './follow/follow.js';
import type { MakeOptions } from './options.js';
import { ending } from './words.js';

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
