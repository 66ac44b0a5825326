import { type Catalogue, hasClass } from '../describe/catalogue.js';
import { isNodeId, isRecord, MOST_ID_CHARS } from '../read-graph.js';
import { Float, pythonText } from './python.js';
import { type Refusal, refused, type ServerTraits } from './refusal.js';

/** ComfyUI first checks the class of every node, and refuses the first that is missing or unknown. */
export function checkNodes(
  nodes: Readonly<Record<string, unknown>>,
  catalogue: Catalogue,
  server: ServerTraits | undefined,
): Refusal | undefined {
  const isKnown = (className: unknown) => typeof className === 'string' && hasClass(catalogue, className);
  for (const [id, node] of Object.entries(nodes)) {
    const refusal =
      server?.version === '0.3.64' ? checkOld(id, node, isKnown, server) : check(id, node, isKnown, server);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function check(
  id: string,
  node: unknown,
  isKnown: (className: unknown) => boolean,
  server: ServerTraits | undefined,
): Refusal | undefined {
  const details = `Node ID '#${id.slice(0, MOST_ID_CHARS)}'`;
  const malformed = (message: string) => server?.crash(message) ?? refused('invalid_prompt', message, details);
  if (server === undefined && !isNodeId(id)) return malformed('The id of a node is too long.');
  if (!isObject(node)) return malformed('A node is no object.');
  if (node.inputs !== undefined && !isObject(node.inputs)) return malformed('The inputs of a node are no object.');
  const { class_type: className, _meta: meta } = node;
  if (isKnown(className)) return undefined;
  if (server !== undefined && meta !== undefined && !isObject(meta)) server.crash('_meta is not an object');
  const title = isObject(meta) ? meta.title : undefined;
  if (className === undefined) {
    const named = pythonText(title ?? `ID #${id}`);
    const message = `Node '${named}' has no class_type. The workflow may be corrupted or a custom node is missing.`;
    return refused('missing_node_type', message, details, { node_id: id, class_type: null, node_title: title ?? null });
  }
  if (server !== undefined) requireHashable(className, server);
  const shown = title ?? className;
  const message = `Node '${pythonText(shown)}' not found. The custom node may not be installed.`;
  return refused('missing_node_type', message, details, { node_id: id, class_type: className, node_title: shown });
}

function checkOld(
  id: string,
  node: unknown,
  isKnown: (className: unknown) => boolean,
  server: ServerTraits,
): Refusal | undefined {
  const details = `Node ID '#${id}'`;
  if (!hasClassType(node, server)) {
    return refused('invalid_prompt', 'Cannot execute because a node is missing the class_type property.', details);
  }
  if (isKnown(node.class_type)) return undefined;
  requireHashable(node.class_type, server);
  const message = `Cannot execute because node ${pythonText(node.class_type)} does not exist.`;
  return refused('invalid_prompt', message, details);
}

/** Python's `'class_type' in node`, which also works for strings and lists. */
function hasClassType(node: unknown, server: ServerTraits): node is { readonly class_type: unknown } {
  if (isObject(node)) return Object.hasOwn(node, 'class_type');
  const mayContain = typeof node === 'string' || Array.isArray(node);
  return mayContain && !node.includes('class_type') ? false : server.crash('a node is not an object');
}

function requireHashable(className: unknown, server: ServerTraits): void {
  if (Array.isArray(className) || isObject(className)) server.crash('class_type cannot be looked up');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && !(value instanceof Float);
}
