import { readTestSettings } from '@comfy-fleet/config';
import { startSimulator } from '@comfy-fleet/simulator';

/** A ComfyUI for the contract suite. */
interface ComfyUnderTest {
  readonly name: string;
  /** Headers with credentials. */
  readonly headers: Readonly<Record<string, string>>;
  start(): Promise<{ readonly url: string; close(): Promise<void> }>;
}

/**
 * The simulator in each of its versions, one of them behind a login, and the real ComfyUI at COMFYUI_URL if that is
 * set.
 */
export function comfyUnderTest(): readonly ComfyUnderTest[] {
  const simulated: ComfyUnderTest[] = [
    {
      name: 'the simulator as 0.3.64',
      headers: {},
      start: () => startSimulator({ version: '0.3.64', probeNodes: true }),
    },
    {
      name: 'the simulator as 0.33.0, behind a login',
      headers: { Authorization: 'Bearer let-me-in', 'X-Tenant': 'studio' },
      start: () =>
        startSimulator({ version: '0.33.0', probeNodes: true, requiredHeader: 'Authorization: Bearer let-me-in' }),
    },
  ];
  const { COMFYUI_URL: url } = readTestSettings();
  if (url === undefined) return simulated;
  const close = async () => {};
  return [...simulated, { name: 'the ComfyUI at COMFYUI_URL', headers: {}, start: async () => ({ url, close }) }];
}
