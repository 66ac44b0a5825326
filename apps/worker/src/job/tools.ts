import type { FrameStore } from '@comfy-fleet/frames';
import type { CrossCheck, HungPrompt, InstanceFault, InstanceNames, JobRecord, SharedInputs } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Workflows } from '@comfy-fleet/workflows';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import type { Instruments } from '../instruments.js';
import type { StoreWatch } from '../store-watch.js';
import type { NodeTimes } from './node-times.js';

/** What is settled about running jobs when the worker starts. */
export interface JobSettings {
  readonly workflows: Pick<Workflows, 'profiles'>;
  /** Whether prompts may be written into the log. */
  readonly logPrompts: boolean;
  readonly pollMs: number;
  /** Longest execution of a job. */
  readonly maxGpuSeconds: number;
  /** Executions of a job before it fails for being lost. */
  readonly maxAttempts: number;
  /** Times instances may refuse or lose a job before it begins. */
  readonly maxRefusals: number;
  /** Instances that may die under a job before it is held to be the cause. */
  readonly maxInstanceDeaths: number;
  /** Workers that may die under a job before it is held to be the cause. */
  readonly maxWorkerDeaths: number;
  /** Of one output, and how many a job may have. */
  readonly maxOutputBytes: number;
  readonly maxOutputs: number;
  /** How long the storing of outputs is tried again. */
  readonly storeRetryMs: number;
  /** How long after its first interrupt an execution may go on before its job ends without it. */
  readonly interruptGraceMs: number;
  /** How long a prompt is waited for on an instance that cannot be reached. */
  readonly unreachableMs: number;
}

/** What running a job needs besides the job. */
export interface Tools extends Omit<JobSettings, 'workflows'> {
  /** By the version that a job was accepted with. */
  readonly workflows: KnownWorkflows;
  readonly instruments: Instruments;
  readonly frames: FrameStore;
  readonly inputs: FrameStore;
  /** What they, and what jobs make, are called on instances. */
  readonly instanceNames: InstanceNames;
  /** Who has which of them in ComfyUI's input folders. */
  readonly sharedInputs: SharedInputs;
  /** Whether they take pictures. */
  readonly store: Pick<StoreWatch, 'fault' | 'failed'>;
  /** An instance executes on what it was told to stop; see WedgeWatch. */
  readonly noteWedge: (wedge: HungPrompt) => Promise<void>;
  /** The memory that an instance needs at least to try a job with these faults, in bytes. */
  readonly leastVram: (faults: readonly InstanceFault[]) => Promise<number>;
  /** How many instances of the fleet can try a job now, where it has not failed according to `faults`. */
  readonly whoElse: (record: JobRecord, faults: readonly InstanceFault[]) => Promise<number>;
  readonly nodeTimes: NodeTimes;
  /** Notifies an instance of what became elsewhere of a job that failed there. Never throws. */
  readonly sendOpinion: (opinion: CrossCheck) => Promise<void>;
  /** To be called when a slot may have become free. */
  readonly changed: () => void;
  /** Aborts when no job may go on. */
  readonly ending: AbortSignal;
  readonly log: Logger;
}
