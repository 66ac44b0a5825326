import { type Catalogue, hasClass, isOutputClass } from '../describe/catalogue.js';
import { type Graph, nodeAt } from '../graph.js';
import { isRecord, MOST_ID_CHARS } from '../read-graph.js';
import { type GraphFault, type HasFile, type Inspection, inspect } from './graph-faults.js';
import { pythonText } from './python.js';

/** Of one node or of the prompt, as ComfyUI's POST /prompt answers it. */
export interface ComfyError {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

export type NodeErrors = Readonly<
  Record<
    string,
    {
      readonly errors: readonly ComfyError[];
      readonly dependent_outputs: readonly string[];
      readonly class_type: string;
    }
  >
>;

/** `ok`: ids of the outputs that run; `node_errors` then tells of those that do not. */
export type Verdict =
  | { readonly ok: readonly string[]; readonly node_errors: NodeErrors }
  | { readonly error: ComfyError; readonly node_errors: NodeErrors };

export interface VerdictOptions {
  /** `partial_execution_targets`: ids of the outputs that are to run; undefined: all. */
  readonly targets?: readonly string[] | undefined;
  /** Whether the caller has a file of that name; without it nothing is said of files. */
  readonly hasFile?: HasFile | undefined;
}

/**
 * What ComfyUI 0.33 would answer to a prompt, in its words: no_prompt, missing_node_type, prompt_no_outputs,
 * prompt_outputs_failed_validation. What makes it fail without a word (nodes that are none) is invalid_prompt here.
 * Of classes that it has replaced the catalogue says how their old nodes are taken. Tracebacks are empty.
 */
export function verdictOf(prompt: unknown, catalogue: Catalogue, { targets, hasFile }: VerdictOptions = {}): Verdict {
  if (prompt === undefined) return refused('no_prompt', 'No prompt provided', 'No prompt provided');
  const malformed = malformedNode(prompt);
  if (malformed !== undefined) return malformed;
  const graph = prompt as Graph;
  const isKnown = (className: unknown) => typeof className === 'string' && hasClass(catalogue, className);
  const unknown = Object.keys(graph).find((id) => !isKnown(nodeAt(graph, id).class_type));
  if (unknown !== undefined) return unknownClass(graph, unknown);
  const outputs = Object.keys(graph).filter(
    (id) => isOutputClass(catalogue, nodeAt(graph, id).class_type) === true && (targets?.includes(id) ?? true),
  );
  if (outputs.length === 0) return refused('prompt_no_outputs', 'Prompt has no outputs', '');
  const found = inspect(graph, outputs, catalogue, hasFile);
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

function malformedNode(prompt: unknown): Verdict | undefined {
  if (!isRecord(prompt)) return refused('invalid_prompt', 'The prompt is no object of nodes.', '');
  for (const [id, node] of Object.entries(prompt)) {
    const details = `Node ID '#${id.slice(0, MOST_ID_CHARS)}'`;
    if (id.length > MOST_ID_CHARS) return refused('invalid_prompt', 'The id of a node is too long.', details);
    if (!isRecord(node)) return refused('invalid_prompt', 'A node is no object.', details);
    if (node.inputs !== undefined && !isRecord(node.inputs)) {
      return refused('invalid_prompt', 'The inputs of a node are no object.', details);
    }
  }
  return undefined;
}

/** The first of the graph, as ComfyUI looks at them one after the other before anything else. */
function unknownClass(graph: Graph, id: string): Verdict {
  const node = nodeAt(graph, id) as { readonly class_type?: unknown; readonly _meta?: unknown };
  const title = isRecord(node._meta) ? (node._meta.title as unknown) : undefined;
  const details = `Node ID '#${id}'`;
  if (node.class_type === undefined) {
    const named = pythonText(title ?? `ID #${id}`);
    const message = `Node '${named}' has no class_type. The workflow may be corrupted or a custom node is missing.`;
    const extra = { node_id: id, class_type: null, node_title: title ?? null };
    return refused('missing_node_type', message, details, extra);
  }
  const shown = title ?? node.class_type;
  const message = `Node '${pythonText(shown)}' not found. The custom node may not be installed.`;
  return refused('missing_node_type', message, details, {
    node_id: id,
    class_type: node.class_type,
    node_title: shown,
  });
}

/** Those that have faults, or need one that has. */
function badNodes({ faults, sources }: Inspection): ReadonlySet<string> {
  const open = [...faults].filter(([, found]) => found.length > 0).map(([id]) => id);
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

/** With each bad output ComfyUI tells of all faults that it knows by then. */
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

function refused(type: string, message: string, details: string, extra_info: ComfyError['extra_info'] = {}) {
  return { error: { type, message, details, extra_info }, node_errors: {} };
}
