import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import { plainText } from './errors.js';
import { compareIds, type Graph, nameInGraph } from './graph.js';
import { isObject, type JsonObject, listOr, objectOr, textOr } from './json.js';
import { circle, classOfHiddenChoices, findCircle, type LookUpChoices, type Reason, readReason } from './reason.js';

const MAX_REASONS_IN_DETAIL = 5;

interface RefusedNode {
  readonly id: string;
  readonly className: string | undefined;
  readonly errors: readonly unknown[];
}

function refusedNodes(body: JsonObject): readonly RefusedNode[] {
  return Object.entries(objectOr(body.node_errors)).map(([id, value]) => {
    const node = objectOr(value);
    return { id, className: textOr(node.class_type), errors: listOr(node.errors) };
  });
}

/** The node classes whose description (`GET /object_info/{class}`) has the options that the answer omits. */
export function classesToLookUp(body: unknown): readonly string[] {
  const classes = refusedNodes(objectOr(body)).flatMap(({ className, errors }) =>
    errors.map((error) => classOfHiddenChoices(className, error)),
  );
  return [...new Set(classes.filter((name) => name !== undefined))];
}

/**
 * Converts the body of a 400 to POST /prompt to `workflow_rejected`: one entry of `errors` per reason, in a stable
 * order, with the pointer `/nodes/<id>/<input>` (shorter where ComfyUI names less); `nodeId` if exactly one node is at
 * fault.
 */
export function rejection(body: unknown, graph: Graph, lookUp: LookUpChoices): FleetError {
  const reasons = isObject(body) ? readReasons(body, graph, lookUp) : [];
  if (reasons.length === 0) {
    return new FleetError('workflow_rejected', 'ComfyUI refused the workflow without giving a reason.');
  }
  const errors = distinct(reasons.map((reason): FieldError => ({ pointer: pointerTo(reason), detail: reason.text })));
  const shown = errors.slice(0, MAX_REASONS_IN_DETAIL).map(({ detail }) => detail);
  const rest = errors.length - shown.length;
  const detail = `${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
  const nodes = [...new Set(reasons.flatMap(({ nodeIds }) => nodeIds))];
  const [nodeId] = nodes;
  return new FleetError('workflow_rejected', detail, {
    errors,
    ...(nodes.length === 1 && nodeId !== undefined ? { nodeId } : {}),
  });
}

function readReasons(body: JsonObject, graph: Graph, lookUp: LookUpChoices): readonly Reason[] {
  const reasons = refusedNodes(body).flatMap((node) =>
    node.errors.map((error) => readReason(graph, node, error, lookUp)),
  );
  if (reasons.length > 0) return reasons;
  return [reasonOfTheWhole(objectOr(body.error), graph)];
}

/** The reason when `node_errors` names no node. */
function reasonOfTheWhole(error: JsonObject, graph: Graph): Reason {
  const type = textOr(error.type);
  const details = textOr(error.details) ?? '';
  switch (type) {
    case 'invalid_prompt':
    case 'missing_node_type': {
      const id = textOr(objectOr(error.extra_info).node_id) ?? /^Node ID '#(.*)'$/.exec(details)?.[1];
      return unknownClass(id, graph, error);
    }
    case 'prompt_no_outputs':
      return { nodeIds: [], text: 'the workflow has no output node, such as SaveImage' };
    case 'prompt_outputs_failed_validation': {
      // 0.3.64 names neither nodes nor a reason when links form a circle.
      const nodeIds = findCircle(graph);
      if (nodeIds !== undefined) return { nodeIds, text: circle(graph, nodeIds, '') };
      break;
    }
  }
  const message = textOr(error.message) ?? 'ComfyUI gave no reason';
  return { nodeIds: [], text: plainText(details === '' || details === message ? message : `${message}: ${details}`) };
}

function unknownClass(id: string | undefined, graph: Graph, error: JsonObject): Reason {
  if (id === undefined) return { nodeIds: [], text: plainText(textOr(error.message) ?? 'a node has no known class') };
  const className: unknown = graph[id]?.class_type;
  if (typeof className !== 'string') return { nodeIds: [id], text: `node ${id} has no class_type` };
  const text = `${nameInGraph(graph, id)} is of a class that this ComfyUI does not have; is a custom node not installed?`;
  return { nodeIds: [id], text };
}

function pointerTo({ nodeIds, input }: Reason): string {
  const [id] = nodeIds;
  const parts = id === undefined ? [] : [id, ...(input === undefined ? [] : [input])];
  return ['/nodes', ...parts.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))].join('/');
}

/** The order of ComfyUI's reasons differs between starts, and it reports a circle once per node. */
function distinct(errors: readonly FieldError[]): readonly FieldError[] {
  const sorted = [...errors].sort((a, b) => compareIds(a.pointer, b.pointer) || compareIds(a.detail, b.detail));
  const seen = new Set<string>();
  return sorted.filter(({ detail }) => !seen.has(detail) && seen.add(detail));
}
