import type { JsonObject } from '../../json/values.js';
import { writeJson } from '../../json/write.js';
import { writeFiles } from '../files.js';
import type { Maker } from '../made-values.js';
import type { NodeContext } from '../node.js';

/** Writes what an output node is there for, and returns what it shows; undefined: it shows nothing. */
export type OutputWriter = (maker: Maker, context: NodeContext) => Promise<JsonObject | undefined>;

/** One file under the node's own prefix, or a temporary one. */
export function writeOne(
  maker: Maker,
  context: NodeContext,
  extension: string,
  make: () => Buffer | Promise<Buffer>,
  type: 'output' | 'temp' = 'output',
): Promise<JsonObject[]> {
  const { width, height } = maker.inputs.find('images', 'images') ?? { width: 0, height: 0 };
  const own = maker.inputs.text('filename_prefix', 'ComfyUI');
  const prefix = type === 'temp' ? `ComfyUI_temp_${context.tempMark}` : own;
  return writeFiles({ prefix, type, extension, size: { width, height }, contents: [make] }, context);
}

/** The graph and the keys of extra_pnginfo, as ComfyUI keeps them in its files; the mark tells one run from another. */
export function noteOf({ mark }: Maker, { pngText }: NodeContext): Record<string, string> {
  return { ...Object.fromEntries([...pngText()].map(([key, value]) => [key, writeJson(value)])), mark };
}
