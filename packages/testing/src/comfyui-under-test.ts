import { readTestSettings } from '@comfy-fleet/config';
import { startSimulator } from '@comfy-fleet/simulator';

/** A ComfyUI for the contract suite. */
interface ComfyUnderTest {
  readonly name: string;
  start(): Promise<{ readonly url: string; close(): Promise<void> }>;
}

const VERSIONS = ['0.3.64', '0.33.0'] as const;

/** The simulator in each version it plays, and the real ComfyUI at COMFYUI_URL if that is set. */
export function comfyUnderTest(): readonly ComfyUnderTest[] {
  const simulated = VERSIONS.map((version) => ({
    name: `the simulator as ${version}`,
    start: () => startSimulator({ version }),
  }));
  const { COMFYUI_URL: url } = readTestSettings();
  if (url === undefined) return simulated;
  return [...simulated, { name: 'the ComfyUI at COMFYUI_URL', start: async () => ({ url, close: async () => {} }) }];
}
