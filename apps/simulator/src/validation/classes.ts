import type { Catalogue } from '../catalogue/catalogue.js';
import { pythonStr } from '../json/python-text.js';
import { isObject, type Json, type JsonObject } from '../json/values.js';
import type { ComfyVersion } from '../settings.js';
import { type ErrorBody, errorBody, UnforeseenError } from './errors.js';

/** Looks at the class of every node before anything else: the first that is missing or unknown, or undefined. */
export function findUnknownClass(
  graph: JsonObject,
  catalogue: Catalogue,
  version: ComfyVersion,
): ErrorBody | undefined {
  for (const [id, node] of Object.entries(graph)) {
    const error = version === '0.3.64' ? lookOld(id, node, catalogue) : lookNew(id, node, catalogue);
    if (error !== undefined) return error;
  }
  return undefined;
}

function lookOld(id: string, node: Json, catalogue: Catalogue): ErrorBody | undefined {
  const details = `Node ID '#${id}'`;
  if (!hasClassType(node)) {
    return errorBody('invalid_prompt', 'Cannot execute because a node is missing the class_type property.', details);
  }
  const classType = hashable(node.class_type);
  if (typeof classType === 'string' && catalogue.has(classType)) return undefined;
  return errorBody('invalid_prompt', `Cannot execute because node ${pythonStr(classType)} does not exist.`, details);
}

function lookNew(id: string, node: Json, catalogue: Catalogue): ErrorBody | undefined {
  if (!isObject(node)) throw new UnforeseenError('a node is not an object');
  if (node.inputs !== undefined && !isObject(node.inputs)) throw new UnforeseenError('inputs are not an object');
  const details = `Node ID '#${id}'`;
  if (!hasClassType(node)) {
    const title = titleOf(node);
    const message = `Node '${pythonStr(title ?? `ID #${id}`)}' has no class_type. The workflow may be corrupted or a custom node is missing.`;
    return errorBody('missing_node_type', message, details, {
      node_id: id,
      class_type: null,
      node_title: title ?? null,
    });
  }
  const classType = hashable(node.class_type);
  if (typeof classType === 'string' && catalogue.has(classType)) return undefined;
  const title = titleOf(node) ?? classType;
  const message = `Node '${pythonStr(title)}' not found. The custom node may not be installed.`;
  return errorBody('missing_node_type', message, details, { node_id: id, class_type: classType, node_title: title });
}

/** Python's `'class_type' in node`: texts and lists can be asked too, other things raise. */
function hasClassType(node: Json): node is JsonObject & { class_type: Json } {
  if (isObject(node)) return Object.hasOwn(node, 'class_type');
  if (typeof node === 'string' || Array.isArray(node)) {
    if (node.includes('class_type')) throw new UnforeseenError('a node is not an object');
    return false;
  }
  throw new UnforeseenError('a node is not an object');
}

function hashable(value: Json): Json {
  if (Array.isArray(value) || isObject(value)) throw new UnforeseenError('class_type cannot be looked up');
  return value;
}

function titleOf(node: JsonObject): Json | undefined {
  if (node._meta === undefined) return undefined;
  if (!isObject(node._meta)) throw new UnforeseenError('_meta is not an object');
  return node._meta.title;
}
