import { FleetError, matchesAny, type Scope } from '@comfy-fleet/contracts';
import { GRAPH, type Workflow } from '@comfy-fleet/workflows';
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

/** Throws forbidden. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This API key does not have the scope ${scope}, which this needs.`);
}
