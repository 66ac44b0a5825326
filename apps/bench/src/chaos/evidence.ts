import type { Job } from '@comfy-fleet/contracts';
import type { PlantedFault } from './disturb.js';
import type { JobHistory } from './histories.js';
import type { Cancel, Post } from './load.js';
import type { Outage } from './process.js';
import type { ChaosSettings } from './settings.js';

/** One prompt that a simulator executed, from its journal. Times are ms since 1970. */
export interface Execution {
  /** Named as its instance is. */
  readonly simulator: string;
  readonly pid: number;
  readonly promptId: string;
  readonly startedAt: number;
  /** Undefined: the simulator did not live to see its end. */
  readonly endedAt: number | undefined;
  readonly outcome: 'success' | 'error' | 'interrupted' | 'lost' | undefined;
}

/** A picture that a job names, as it was downloaded. */
export interface Download {
  readonly jobId: string;
  readonly url: string;
  readonly status: number | undefined;
  readonly etag: string | undefined;
  readonly sha256: string;
  readonly bytes: number;
  /** From decoding all of it; undefined when it cannot be read as a PNG. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

/** All that was seen of a run from outside, after it has come to rest. The checks read nothing else. */
export interface Evidence {
  readonly settings: ChaosSettings;
  readonly posts: readonly Post[];
  readonly cancels: readonly Cancel[];
  /** What `GET /jobs/:id` says of every job that was accepted or has a record; undefined: nothing. */
  readonly jobs: ReadonlyMap<string, Job | undefined>;
  readonly histories: readonly JobHistory[];
  readonly executions: readonly Execution[];
  readonly downloads: readonly Download[];
  /** Names under the frames volume, folders included in the name. */
  readonly frameFiles: readonly string[];
  /** Prompts that are still in a simulator's queue, by simulator. */
  readonly leftInQueues: ReadonlyMap<string, number>;
  readonly outages: readonly Outage[];
  readonly faults: readonly PlantedFault[];
  /** What processes did that nobody asked of them, and what they printed. */
  readonly processes: readonly { readonly name: string; readonly troubles: readonly string[]; readonly log: string }[];
  readonly gatheredAt: number;
}
