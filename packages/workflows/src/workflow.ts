import type { GpuLimits, InputValue, JobKind, Lod, RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from './bindings.js';
import type { Catalogue } from './describe/catalogue.js';
import type { WorkflowDescription } from './describe/describe-workflow.js';
import type { FoundOutput } from './describe/find-outputs.js';
import type { FoundInput } from './describe/found-input.js';
import type { Widget } from './describe/widget.js';
import type { Graph, Slot } from './graph.js';
import type { LodProfile } from './lod-profiles.js';

/**
 * The values by name that are used when neither the request nor a profile says otherwise. Files have none unless the
 * inputs file gives one, and seeds are drawn; those of text2img and img2img have all usual parameters, whatever of them the graph has.
 */
export type WorkflowDefaults = Readonly<Record<string, InputValue>>;

export interface WorkflowInput extends FoundInput {
  /** As the graph's own value has it; a catalogue may know more. */
  readonly type: Widget['type'];
}

/** A graph as saved from ComfyUI with its named inputs and outputs, as it is in one version. */
export interface Workflow {
  readonly name: string;
  /** The hash of its source. */
  readonly version: string;
  /** The text of its source, which `openWorkflow` takes. */
  readonly text: string;
  readonly graph: Graph;
  /** The node classes that a job of it may need, whatever the request; sorted. */
  readonly classes: readonly string[];
  /** What jobs of it are called. */
  readonly kind: JobKind;
  /** Its sampler works on a picture that was loaded, so that denoise says how much of it stays. */
  readonly startsFromPicture: boolean;
  /** The pool whose instances can run it; undefined when any can. */
  readonly pool: string | undefined;
  readonly bindings: Bindings;
  /** In the order in which people see them. */
  readonly inputs: readonly WorkflowInput[];
  readonly outputs: readonly FoundOutput[];
  readonly defaults: WorkflowDefaults;
  /** Levels of detail of its own, which come before those of lod-profiles.json. */
  readonly profiles: Readonly<Partial<Record<Lod, Partial<LodProfile>>>>;
  /** Longest execution, if it says so itself. */
  readonly deadlineSeconds: number | undefined;
  /** What a job of it may ask of a GPU, where it says so itself. */
  readonly limits: Partial<GpuLimits>;
  readonly description: string | undefined;
  /** The input whose value stands there. */
  inputAt(slot: Slot): WorkflowInput | undefined;
  /** What it takes, gives and needs, in the terms of the instances that have the catalogue, within the limits. */
  describe(catalogue: Catalogue | undefined, limits?: RequestLimits): WorkflowDescription;
}
