import { createHash } from 'node:crypto';
import { writeJson } from '../json/write.js';
import type { NodeInputs } from './node.js';
import type { LatentContent, NodeValue } from './values.js';

/** Tells what a node makes from what others make, or it itself with other inputs: hexadecimal. */
export function markOf(classType: string, inputs: NodeInputs): string {
  const hash = createHash('sha1')
    .update(classType)
    .update(writeJson(Object.fromEntries(inputs.written)));
  for (const value of inputs.arrived) addTo(hash, value);
  return hash.digest('hex');
}

type Hash = ReturnType<typeof createHash>;

function addTo(hash: Hash, value: NodeValue): void {
  hash.update(value.kind);
  if (value.kind === 'images') for (const frame of value.frames) hash.update(frame);
  else if (value.kind === 'latent') addContent(hash.update(`${value.width} ${value.height}`), value.content);
  else if (value.kind === 'primitive') hash.update(writeJson(value.value));
  else if (value.kind === 'other') hash.update(value.mark);
  else hash.update(JSON.stringify(value));
}

function addContent(hash: Hash, content: LatentContent): void {
  if (content.kind === 'pixels') addTo(hash, content.images);
  if (content.kind !== 'painted') return;
  hash.update(JSON.stringify(content.painting));
  addContent(hash, content.under);
}
