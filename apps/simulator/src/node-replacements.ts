import type { Catalogue } from './catalogue/catalogue.js';
import { isObject, type Json, type JsonObject, UncaughtError } from './python.js';

const replaced = (
  from: string,
  to: string,
  widgets: string[] | null = null,
  inputs: JsonObject[] | null = null,
  outputs: JsonObject[] | null = null,
): [string, JsonObject[]] => [
  from,
  [{ new_node_id: to, old_node_id: from, old_widget_ids: widgets, input_mapping: inputs, output_mapping: outputs }],
];

/** The answer to GET /node_replacements in 0.33. */
export const NODE_REPLACEMENTS: JsonObject = Object.fromEntries([
  replaced(
    'ResizeImagesByLongerEdge',
    'ImageScaleToMaxDimension',
    ['longer_edge'],
    [
      { new_id: 'image', old_id: 'images' },
      { new_id: 'largest_size', old_id: 'longer_edge' },
      { new_id: 'upscale_method', set_value: 'lanczos' },
    ],
    [{ new_idx: 0, old_idx: 0 }],
  ),
  replaced('ImageBatch', 'BatchImagesNode', null, [
    { new_id: 'images.image0', old_id: 'image1' },
    { new_id: 'images.image1', old_id: 'image2' },
  ]),
  replaced(
    'ImageScaleBy',
    'ResizeImageMaskNode',
    ['upscale_method', 'scale_by'],
    [
      { new_id: 'input', old_id: 'image' },
      { new_id: 'resize_type', set_value: 'scale by multiplier' },
      { new_id: 'resize_type.multiplier', old_id: 'scale_by' },
      { new_id: 'scale_method', old_id: 'upscale_method' },
    ],
  ),
  replaced('T2IAdapterLoader', 'ControlNetLoader', null, [{ new_id: 'control_net_name', old_id: 't2i_adapter_name' }]),
  replaced('Load3DAnimation', 'Load3D'),
  replaced('Preview3DAnimation', 'Preview3D'),
  replaced('SDV_img2vid_Conditioning', 'SVD_img2vid_Conditioning'),
  replaced('ConditioningAverage ', 'ConditioningAverage'),
]);

/**
 * Replaces nodes of removed classes by their successors, in place, before validation. ComfyUI copies `_meta` without
 * checking that it exists, so a node without it throws an UncaughtError.
 */
export function replaceOldNodes(prompt: Json | undefined, catalogue: Catalogue): void {
  for (const [id, node] of Object.entries(isObject(prompt) ? prompt : {})) {
    if (!isObject(node) || !isObject(node.inputs) || typeof node.class_type !== 'string') continue;
    if (catalogue.has(node.class_type) || !Object.hasOwn(NODE_REPLACEMENTS, node.class_type)) continue;
    const [replacement] = NODE_REPLACEMENTS[node.class_type] as JsonObject[];
    if (node._meta === undefined) throw new UncaughtError("KeyError: '_meta'");
    (prompt as JsonObject)[id] = {
      inputs: renamed(node.inputs, replacement?.input_mapping),
      class_type: replacement?.new_node_id ?? null,
      _meta: node._meta,
    };
  }
}

function renamed(inputs: JsonObject, mapping: Json | undefined): JsonObject {
  if (!Array.isArray(mapping)) return inputs;
  const next: JsonObject = {};
  for (const { new_id, old_id, set_value } of mapping as JsonObject[]) {
    const value = set_value ?? inputs[String(old_id)];
    if (value !== undefined) next[String(new_id)] = value;
  }
  return next;
}
