import { nodeOfMajor } from '@comfy-fleet/testing';
import { stagesOf } from './dockerfile.js';
import { textOf } from './files.js';

/** The path of the Node of the images: code that works in one version of Node can fail in another. */
export async function imageNode(): Promise<string> {
  const image = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1)?.image ?? '';
  return nodeOfMajor(Number(/^node:(\d+)/.exec(image)?.[1]));
}
