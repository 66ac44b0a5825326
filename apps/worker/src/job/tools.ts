import type { FrameStore, MediaFacts, StoredMedia } from '@comfy-fleet/frames';
import type { CrossCheck, HungPrompt, InstanceFault, InstanceNames, JobRecord, SharedInputs } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Workflows } from '@comfy-fleet/workflows';
import type { Hints } from '../encode-ahead/hints.js';
import type { Instance } from '../instance/instance.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import type { Instruments } from '../instruments.js';
import type { StoreWatch } from '../store-watch.js';
import type { FastSave } from '../submission/fast-save.js';
import type { NodeTimes } from './node-times.js';

/** Settings for running jobs. */
export interface JobSettings {
  readonly workflows: Pick<Workflows, 'profiles'>;
  /** Whether prompts may appear in the log. */
  readonly logPrompts: boolean;
  readonly pollMs: number;
  /** Longest execution of a job. */
  readonly maxGpuSeconds: number;
  /** See KeptResultsOptions. */
  readonly maxKeptPixels: number;
  /** See KeptResultsOptions. */
  readonly maxKeptNodes: number;
  /** How often a job may execute before it fails for being lost. */
  readonly maxAttempts: number;
  /** How often instances may refuse or lose a job before it begins. */
  readonly maxRefusals: number;
  /** How many instances may die under a job before the job is at fault. */
  readonly maxInstanceDeaths: number;
  /** How many workers may die under a job before the job is at fault. */
  readonly maxWorkerDeaths: number;
  /** The most bytes of a job's outputs together. */
  readonly maxOutputBytes: number;
  readonly maxOutputs: number;
  /** Reads the size and duration of a stored output. */
  readonly mediaFacts: (media: StoredMedia, key: string) => Promise<MediaFacts>;
  /** How long to retry storing outputs. */
  readonly storeRetryMs: number;
  /** How long after its creation a job is assumed to be followed. */
  readonly followWithinMs: number;
  /** The pictures of prompts that take longer are not saved fast. */
  readonly fastSaveBelowMs: number;
  /** How long an execution may go on after its first interrupt before the job ends without it. */
  readonly interruptGraceMs: number;
  /** How long to wait for an instance that is unreachable while it has a prompt. */
  readonly unreachableMs: number;
}

/** What running a job needs besides the job. */
export interface Tools extends Omit<JobSettings, 'workflows'> {
  /** By the version with which a job was accepted. */
  readonly workflows: KnownWorkflows;
  readonly instruments: Instruments;
  readonly frames: FrameStore;
  readonly inputs: FrameStore;
  /** Names of input and output files on instances. */
  readonly instanceNames: InstanceNames;
  /** Which jobs use which files in ComfyUI's input folders. */
  readonly sharedInputs: SharedInputs;
  /** Whether outputs can be stored. */
  readonly store: Pick<StoreWatch, 'fault' | 'failed' | 'hasSpace'>;
  /** Whether the key stays within its share of the storage if it stores `bytes` more. */
  readonly fitsShare: (key: string, bytes: number) => Promise<boolean>;
  /** Records that an instance ignores an interrupt; see HungWatch. */
  readonly recordHung: (prompt: HungPrompt) => Promise<void>;
  /** The least GPU memory for another try of a job with these faults, in bytes. */
  readonly leastVram: (faults: readonly InstanceFault[]) => Promise<number>;
  /** How many instances of the fleet can try a job now and did not fail it according to `faults`. */
  readonly countOthers: (record: JobRecord, faults: readonly InstanceFault[]) => Promise<number>;
  readonly nodeTimes: NodeTimes;
  readonly fastSave: FastSave;
  /** See Hints.before. */
  readonly hintBefore: (instance: Instance, ...args: Parameters<Hints['before']>) => ReturnType<Hints['before']>;
  /** Tells an instance how a job that failed there ended elsewhere. Never throws. */
  readonly sendCrossCheck: (crossCheck: CrossCheck) => Promise<void>;
  /** Call it when a slot may have become free. */
  readonly changed: () => void;
  /** Aborts when running jobs must stop. */
  readonly ending: AbortSignal;
  readonly log: Logger;
}
