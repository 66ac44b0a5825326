import { type FieldError, FleetError, type InstanceAbilities, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { Lack, Workflow } from '@comfy-fleet/workflows';
import { nearestLacks } from '../fleet/waiting-for.js';
import type { Pointers } from './pointers.js';

/** Names listed in an answer; a server may have thousands of LoRAs. */
const MOST_LISTED = 100;
/**
 * Throws `no_able_instance` when every instance that is known lacks something that the job needs, with what there is in
 * its place. With none known the job is taken: its instance may still come.
 */
export function refuseImpossible(
  workflow: Workflow,
  request: ResolvedRequest,
  pool: string,
  known: readonly InstanceAbilities[],
  pointers: Pointers,
): void {
  const lacks = nearestLacks(
    workflow,
    request,
    known.map(({ abilities }) => abilities),
  );
  const [nearest] = lacks;
  if (nearest === undefined) return;
  // What the nearest one lacks is what is to be changed; the choices are those of all.
  const errors = nearest.map((lack) => fieldError(lack, { workflow, pool, all: lacks.flat(), pointers }));
  const detail = errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; ');
  throw new FleetError('no_able_instance', `${detail}.`, { errors });
}

interface Asked {
  readonly workflow: Workflow;
  readonly pool: string;
  /** Of all instances. */
  readonly all: readonly Lack[];
  readonly pointers: Pointers;
}

function fieldError(lack: Lack, { workflow, pool, all, pointers }: Asked): FieldError {
  const pointer = pointers.node(lack.node, lack.input);
  if (lack.input === undefined) {
    const detail = `the workflow ${workflow.name} needs the node ${lack.className}, which no instance of the pool ${pool} has`;
    return { pointer, detail };
  }
  const { className, input, value, setBy } = lack;
  const alike = all.filter((other) => other.className === className && other.input === input);
  const choices = [...new Set(alike.flatMap((other) => (other.input === undefined ? [] : other.choices)))];
  const what = `"${value}" is on no instance of the pool ${pool}; there is ${listed(choices)}`;
  if (setBy !== undefined) return { pointer: pointers.input(setBy), detail: what };
  if (pointer !== '') return { pointer, detail: what };
  return { pointer, detail: `${input} of ${className} in the workflow ${workflow.name}: ${what}` };
}

function listed(choices: readonly string[]): string {
  if (choices.length === 0) return 'none';
  const more = choices.length - MOST_LISTED;
  return `${choices.slice(0, MOST_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
