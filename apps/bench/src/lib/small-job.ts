import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@comfy-fleet/comfyui';
import { WORKFLOWS_DIR } from '../local.js';
import type { Scope } from './scope.js';

/** The side, in pixels, of a picture that costs the GPU next to nothing. */
const SMALL = 64;

/**
 * EmptyImage → SaveImage. It needs no checkpoint, so it runs on any ComfyUI, and its cost there is known. The text node
 * is not linked and never executed. It holds the request's prompt, which identifies an execution.
 */
export function emptyImageGraph({ text, color, prefix }: { text: string; color: number; prefix: string }): Graph {
  return {
    '1': { class_type: 'EmptyImage', inputs: { width: SMALL, height: SMALL, batch_size: 1, color } },
    '2': { class_type: 'PrimitiveStringMultiline', inputs: { value: text } },
    '3': { class_type: 'SaveImage', inputs: { filename_prefix: prefix, images: ['1', 0] } },
  };
}

/** The body of a request for such a picture. A different `colour`, from 0 to 2^24−1, prevents a cached result. */
export function smallJob(prompt: string, colour: number) {
  return { prompt, lod: 'sketch', width: SMALL, height: SMALL, seed: colour };
}

/** The graph has no sampler from which inputs could be found, so all are named. The seed sets the colour. */
const BINDINGS = {
  sampler: '1',
  prompt: { node: '2', input: 'value' },
  width: { node: '1', input: 'width' },
  height: { node: '1', input: 'height' },
  seed: { node: '1', input: 'color' },
};

/** Writes a folder of workflows whose text2img is `emptyImageGraph`; for WORKFLOWS_DIR. */
export async function emptyImageWorkflows(scope: Scope): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-workflows-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  for (const file of ['img2img.json', 'lod-profiles.json']) await copyFile(join(WORKFLOWS_DIR, file), join(dir, file));
  const graph = emptyImageGraph({ text: 'a prompt', color: 0, prefix: 'comfy-fleet' });
  await writeFile(join(dir, 'text2img.json'), JSON.stringify(graph));
  await writeFile(join(dir, 'text2img.bindings.json'), JSON.stringify(BINDINGS));
  return dir;
}
