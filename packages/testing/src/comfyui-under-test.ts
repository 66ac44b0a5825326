import { startSimulator } from '@comfy-fleet/simulator';

/** A ComfyUI for the contract suite. */
interface ComfyUnderTest {
  readonly name: string;
  start(): Promise<{ readonly url: string; close(): Promise<void> }>;
}

const VERSIONS = ['0.3.64', '0.33.0'] as const;

/**
 * The real ComfyUI at COMFYUI_URL if that is set, else the simulator in each version it plays. Read here because only the
 * person who starts the tests can know of a real server; nothing but the contract suite asks.
 */
export function comfyUnderTest(): readonly ComfyUnderTest[] {
  const url = process.env.COMFYUI_URL;
  if (url !== undefined && url !== '') {
    return [{ name: 'the ComfyUI at COMFYUI_URL', start: async () => ({ url, close: async () => undefined }) }];
  }
  return VERSIONS.map((version) => ({
    name: `the simulator as ${version}`,
    start: () => startSimulator({ version }),
  }));
}
