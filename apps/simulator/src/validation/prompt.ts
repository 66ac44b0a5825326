import { isObject, isTruthy, type Json, type JsonObject } from '../json/values.js';
import type { Graph } from '../prompt-queue.js';
import { findUnknownClass } from './classes.js';
import { findCycle } from './cycles.js';
import { type ErrorBody, errorBody, PythonError, traceback, UnforeseenError } from './errors.js';
import { type InputCheckers, type Verdict, validateNode } from './inputs.js';

export type NodeErrors = Record<string, { errors: ErrorBody[]; dependent_outputs: string[]; class_type: string }>;

export type Validation =
  | { readonly ok: true; readonly graph: Graph; readonly outputs: readonly string[]; readonly nodeErrors: NodeErrors }
  | { readonly ok: false; readonly error: ErrorBody; readonly nodeErrors: NodeErrors };

/** ComfyUI's validate_prompt. Throws an UnforeseenError where ComfyUI answers 500. */
export function validatePrompt(prompt: Json, targets: Json | undefined, use: InputCheckers): Validation {
  if (!isObject(prompt)) {
    if (Array.isArray(prompt) && prompt.length === 0 && use.version === '0.3.64') return noOutputs();
    throw new UnforeseenError('prompt is not an object');
  }
  const unknown = findUnknownClass(prompt, use.catalogue, use.version);
  if (unknown !== undefined) return { ok: false, error: unknown, nodeErrors: {} };
  const outputs = outputsOf(prompt, targets, use);
  if (outputs.length === 0) return noOutputs();
  const nodeErrors: NodeErrors = {};
  const verdicts = new Map<string, Verdict>();
  const good: string[] = [];
  const reasons: string[] = [];
  for (const output of outputs) {
    const { valid, errors } = validateOutput(output, prompt, verdicts, use);
    if (valid) {
      good.push(output);
      continue;
    }
    reasons.push(...errors.map(({ message, details }) => `${message}: ${details}`));
    for (const [id, verdict] of verdicts) {
      if (verdict.valid || verdict.errors.length === 0) continue;
      const classType = (prompt[id] as JsonObject).class_type as string;
      nodeErrors[id] ??= { errors: [...verdict.errors], dependent_outputs: [], class_type: classType };
      nodeErrors[id].dependent_outputs.push(output);
    }
  }
  if (good.length > 0) return { ok: true, graph: prompt as unknown as Graph, outputs: good, nodeErrors };
  const error = errorBody('prompt_outputs_failed_validation', 'Prompt outputs failed validation', reasons.join('\n'));
  return { ok: false, error, nodeErrors };
}

/** ComfyUI keeps them in a set; the last of the graph first is the order in both recordings with two outputs. */
function outputsOf(prompt: JsonObject, targets: Json | undefined, use: InputCheckers): string[] {
  const chosen = readTargets(targets);
  const ids = Object.keys(prompt).filter((id) =>
    use.catalogue.isOutput((prompt[id] as JsonObject).class_type as string),
  );
  return ids.filter((id) => chosen === undefined || chosen(id)).reverse();
}

function readTargets(targets: Json | undefined): ((id: string) => boolean) | undefined {
  if (targets === undefined || targets === null) return undefined;
  if (typeof targets === 'string' || Array.isArray(targets)) return (id) => targets.includes(id);
  if (isObject(targets)) return (id) => Object.hasOwn(targets, id);
  throw new UnforeseenError(`partial_execution_targets cannot be searched: ${isTruthy(targets)}`);
}

function validateOutput(
  output: string,
  prompt: JsonObject,
  verdicts: Map<string, Verdict>,
  use: InputCheckers,
): Verdict {
  const cycle = findCycle(prompt, output);
  if (cycle !== undefined) return inCycle(output, cycle, prompt, verdicts, use);
  try {
    return validateNode(output, prompt, verdicts, use);
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    const reason = errorBody('exception_during_validation', 'Exception when validating node', error.message, {
      exception_type: error.type,
      traceback: traceback([error.line]),
    });
    const verdict = { valid: false, errors: [reason] };
    verdicts.set(output, verdict);
    return verdict;
  }
}

/** 0.3.64 recurses until Python stops it and then has no reason to show; 0.33 names the cycle at each of its nodes. */
function inCycle(
  output: string,
  cycle: string[],
  prompt: JsonObject,
  verdicts: Map<string, Verdict>,
  use: InputCheckers,
): Verdict {
  if (use.version === '0.33.0') {
    const named = [...cycle, cycle[0] as string].map((id) => `${id} (${(prompt[id] as JsonObject).class_type})`);
    for (const id of cycle) {
      const info = { node_id: id, cycle_nodes: cycle };
      verdicts.set(id, {
        valid: false,
        errors: [errorBody('dependency_cycle', 'Dependency cycle detected', named.join(' -> '), info)],
      });
    }
  }
  const verdict = verdicts.get(output) ?? { valid: false, errors: [] };
  verdicts.set(output, verdict);
  return verdict;
}

function noOutputs(): Validation {
  return { ok: false, error: errorBody('prompt_no_outputs', 'Prompt has no outputs'), nodeErrors: {} };
}
