import type { Config } from '@comfy-fleet/config';
import type { FrameStore } from '@comfy-fleet/frames';
import type { Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Workflows } from '@comfy-fleet/workflows';
import type { FleetView } from './fleet/fleet-view.js';

/** What the handlers work with. */
export interface Deps {
  readonly config: Pick<Config, 'http' | 'limits' | 'images' | 'queue'>;
  readonly ledger: Ledger;
  readonly fleet: FleetView;
  readonly workflows: Workflows;
  /** The pictures that jobs made. */
  readonly frames: FrameStore;
  /** The normalised pictures that img2img jobs start from. */
  readonly inputs: FrameStore;
  readonly log: Logger;
  /** Aborts when the process is to end: streams and waiting answers end then. */
  readonly stopping: AbortSignal;
  /** How often a silent event stream shows that it lives, in ms. */
  readonly heartbeatMs: number;
}

/** Whose every job is, as long as there are no keys. */
export const CALLER = 'anonymous';
