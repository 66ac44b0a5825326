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
 * Values by name that apply when neither the request nor a profile sets them. Files have none unless the inputs file
 * sets one, and seeds are random. For text2img and img2img all usual parameters are included, whether or not the graph
 * has them.
 */
export type WorkflowDefaults = Readonly<Record<string, InputValue>>;

export interface WorkflowInput extends FoundInput {
  /** Derived from the graph's value; a catalogue may know more. */
  readonly type: Widget['type'];
}

/** One version of a graph as saved from ComfyUI, with its named inputs and outputs. */
export interface Workflow {
  readonly name: string;
  /** The hash of its source. */
  readonly version: string;
  /** The text of its source, for `openWorkflow`. */
  readonly text: string;
  readonly graph: Graph;
  /** The node classes that its jobs may need, whatever the request; sorted. */
  readonly classes: readonly string[];
  /** The kind of its jobs. */
  readonly kind: JobKind;
  /** Its sampler starts from a loaded picture, so denoise determines how much of it stays. */
  readonly startsFromPicture: boolean;
  /** The pool whose instances can run it; undefined if any can. */
  readonly pool: string | undefined;
  readonly bindings: Bindings;
  /** In the order in which people see them. */
  readonly inputs: readonly WorkflowInput[];
  readonly outputs: readonly FoundOutput[];
  readonly defaults: WorkflowDefaults;
  /** Its own levels of detail, which take precedence over lod-profiles.json. */
  readonly profiles: Readonly<Partial<Record<Lod, Partial<LodProfile>>>>;
  /** Longest execution, if it sets one. */
  readonly deadlineSeconds: number | undefined;
  /** ComfyUI may save its pictures as WebP, from which the worker makes the PNGs. */
  readonly allowsFastSave: boolean;
  /** The GPU limits of its jobs, if it sets any. */
  readonly limits: Partial<GpuLimits>;
  readonly description: string | undefined;
  /** The input at this place. */
  inputAt(slot: Slot): WorkflowInput | undefined;
  /** Describes it for instances with this catalogue, within the limits. */
  describe(catalogue: Catalogue | undefined, limits?: RequestLimits): WorkflowDescription;
}
