import type { Json, JsonObject } from '../src/json/values.js';

let others = 0;

/** A graph with the nodes in `cached` as they are and every other one different, so that no result of it is of use. */
export function primerFor(graph: JsonObject, cached: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => [id, cached.includes(id) ? node : another(node as JsonObject)]),
  );
}

function another(node: JsonObject): JsonObject {
  const at = ++others;
  const inputs = { ...(node.inputs as JsonObject) };
  const change = (name: string, value: Json) => {
    if (inputs[name] !== undefined) inputs[name] = value;
  };
  change('seed', 900_000 + at);
  change('steps', 1);
  change('text', `primer ${at}`);
  change('color', 8_000_000 + at);
  change('filename_prefix', `primer/${at}`);
  if (node.class_type === 'EmptyLatentImage') change('width', 128 + 8 * at);
  if (node.class_type === 'CheckpointLoaderSimple') change('ckpt_name', 'v1-5-pruned-emaonly.safetensors');
  if (node.class_type === 'LoadImage') {
    // Any picture will do, as long as it is another.
    change('image', 'primer.png');
  }
  return { ...node, inputs };
}
