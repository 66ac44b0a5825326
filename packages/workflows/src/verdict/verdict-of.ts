import { type Catalogue, isOutputClass } from '../describe/catalogue.js';
import { type Graph, nodeAt } from '../graph.js';
import { isRecord } from '../read-graph.js';
import { checkNodes } from './check-nodes.js';
import { type GraphFault, type HasFile, type Inspection, inspect } from './graph-faults.js';
import { type ComfyError, type NodeErrors, type Refusal, refused, type ServerTraits } from './refusal.js';

/** `ok`: ids of the outputs that run; `node_errors` then describes the others. */
export type Verdict = { readonly ok: readonly string[]; readonly node_errors: NodeErrors } | Refusal;

export interface VerdictOptions {
  /** `partial_execution_targets`: ids of the outputs to run; undefined: all. */
  readonly targets?: string | readonly string[] | undefined;
  /** Whether the caller has a file with this name; without it files are not checked. */
  readonly hasFile?: HasFile | undefined;
  readonly server?: ServerTraits | undefined;
}

/**
 * ComfyUI's answer to a prompt, in its words: no_prompt, missing_node_type, prompt_no_outputs,
 * prompt_outputs_failed_validation. Invalid nodes, on which it fails without a reason, are invalid_prompt here. The
 * catalogue tells how nodes of replaced classes are read. Without `server` it is the answer of 0.33, with empty
 * tracebacks.
 */
export function verdictOf(
  prompt: unknown,
  catalogue: Catalogue,
  { targets, hasFile, server }: VerdictOptions = {},
): Verdict {
  if (prompt === undefined) return refused('no_prompt', 'No prompt provided', 'No prompt provided');
  if (!isRecord(prompt)) {
    const message = 'The prompt is no object of nodes.';
    return server?.crash(message) ?? refused('invalid_prompt', message, '');
  }
  const refusal = checkNodes(prompt, catalogue, server);
  if (refusal !== undefined) return refusal;
  const graph = prompt as Graph;
  const isOutput = (id: string) => isOutputClass(catalogue, nodeAt(graph, id).class_type) === true;
  const outputs = Object.keys(graph).filter((id) => isOutput(id) && (targets?.includes(id) ?? true));
  // ComfyUI keeps them in a set; the graph's last one came first in both recordings with two outputs.
  if (server !== undefined) outputs.reverse();
  if (outputs.length === 0) return refused('prompt_no_outputs', 'Prompt has no outputs', '');
  const found = inspect(graph, outputs, { catalogue, hasFile, server });
  const bad = badNodes(found);
  const node_errors = nodeErrors(graph, found, outputs, bad);
  const ok = outputs.filter((id) => !bad.has(id));
  if (ok.length > 0) return { ok, node_errors };
  const reasons = outputs
    .flatMap((id) => found.faults.get(id) ?? [])
    .map(({ message, details }) => `${message}: ${details}`);
  const answer = refused('prompt_outputs_failed_validation', 'Prompt outputs failed validation', reasons.join('\n'));
  return { ...answer, node_errors };
}

/** The outputs that have errors or need a node with errors. */
function badNodes({ faults, sources, endless }: Inspection): ReadonlySet<string> {
  const open = [...endless, ...[...faults].filter(([, found]) => found.length > 0).map(([id]) => id)];
  if (open.length === 0) return new Set();
  const users = new Map<string, string[]>();
  for (const [user, ids] of sources) {
    for (const id of ids) {
      const known = users.get(id);
      if (known === undefined) users.set(id, [user]);
      else known.push(user);
    }
  }
  const bad = new Set<string>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (bad.has(id)) continue;
    bad.add(id);
    open.push(...(users.get(id) ?? []));
  }
  return bad;
}

/** With each bad output, ComfyUI reports all errors found so far. */
function nodeErrors(
  graph: Graph,
  { faults, seenFor }: Inspection,
  outputs: readonly string[],
  bad: ReadonlySet<string>,
): NodeErrors {
  const faulty = [...faults].filter(([, found]) => found.length > 0);
  return Object.fromEntries(
    faulty.map(([id, found]) => [
      id,
      {
        errors: found.map(comfyError),
        dependent_outputs: outputs.filter((output, index) => bad.has(output) && index >= (seenFor.get(id) ?? 0)),
        class_type: nodeAt(graph, id).class_type,
      },
    ]),
  );
}

function comfyError({ type, message, details, extra }: GraphFault): ComfyError {
  return { type, message, details, extra_info: extra };
}
