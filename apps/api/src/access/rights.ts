import { FleetError, matchesAny, type Scope } from '@comfy-fleet/contracts';
import { GRAPH, type Workflow } from '@comfy-fleet/workflows';
import { escapePointer } from '../requests/field-errors.js';
import type { Caller } from './caller.js';

/** Whether the key may run the workflow of that name. */
export function mayRun({ workflows }: Pick<Caller, 'workflows'>, name: string): boolean {
  return workflows === undefined || matchesAny(name, workflows);
}

/** Throws forbidden. Graphs of a key's own are another right; see Scope. */
export function requireMayRun(caller: Pick<Caller, 'workflows'>, { name }: Pick<Workflow, 'name'>): void {
  if (name === GRAPH || mayRun(caller, name)) return;
  throw new FleetError('forbidden', `This API key may not run the workflow ${name}.`);
}

/** Throws validation_failed when a graph of the caller's own has nodes that it may not have, by node id. */
export function refuseDeniedNodes(
  { denyNodes }: Pick<Caller, 'denyNodes'>,
  graph: Readonly<Record<string, { readonly class_type: string }>>,
): void {
  const errors = Object.entries(graph)
    .filter(([, { class_type }]) => matchesAny(class_type, denyNodes))
    .map(([id, { class_type }]) => ({
      pointer: `/graph/${escapePointer(id)}/class_type`,
      detail: `${class_type} is a node class that this API key may not use`,
    }));
  if (errors.length === 0) return;
  const detail = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
  throw new FleetError('validation_failed', `${detail}.`, { errors });
}

/** Throws forbidden. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This API key does not have the scope ${scope}, which this needs.`);
}
