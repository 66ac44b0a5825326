import type { WorkflowList } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { mayRun } from '../../server/rights.js';
import { requireRegistry } from '../../workflows/require-registry.js';
import { presentPublished } from './present-workflow.js';

/** The workflows that the key may run, and what is wrong with those of them that cannot be used. */
export function listWorkflows({ workflows, config }: Deps): Handler {
  return ({ caller }) => {
    requireRegistry(workflows);
    const own = knownCaller(caller);
    const names = [...workflows.served].filter(([name]) => mayRun(own, name)).sort(([a], [b]) => (a < b ? -1 : 1));
    const data = names.map(([name, { workflow, source, published }]) => ({
      name,
      version: workflow.version,
      description: workflow.description ?? null,
      source,
      ...presentPublished(published),
      url: `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`,
    }));
    const faults = workflows.faults.filter(({ name }) =>
      name === null ? own.workflows === undefined : mayRun(own, name),
    );
    const body: WorkflowList = { data, faults };
    return { status: 200, body };
  };
}
