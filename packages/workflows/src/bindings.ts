import type { Slot } from './graph.js';

/**
 * The values of a request that can be written into a workflow, under the API's names, or under ComfyUI's where these
 * are clearer.
 */
export const PARAMETERS = [
  'prompt',
  'negative_prompt',
  'seed',
  'steps',
  'cfg',
  'sampler_name',
  'scheduler',
  'denoise',
  'width',
  'height',
  'count',
  'checkpoint',
  'image',
] as const;
export type Parameter = (typeof PARAMETERS)[number];

/**
 * The places of the parameters in a template. Every place of a parameter gets its value. Without a place the workflow
 * cannot take the parameter: a request that sets it is refused, and the value in the graph is reported.
 */
export interface Bindings {
  readonly slots: Readonly<Record<Parameter, readonly Slot[]>>;
  /** The inputs of nodes for the prefix of their files. */
  readonly prefixes: readonly Slot[];
  /**
   * Where a RepeatLatentBatch is inserted for several pictures, if the graph has no batch size (img2img); undefined
   * without such a place.
   */
  readonly repeatAt: Slot | undefined;
  /** The step windows of KSamplerAdvanced nodes, which follow `steps` and `denoise`. */
  readonly windows: readonly StepWindow[];
  /**
   * `cfg` is the guidance of a distilled model (FluxGuidance). Its scale differs from classifier-free guidance, so a
   * profile's cfg does not apply, only that of a request.
   */
  readonly distilledGuidance: boolean;
}

/** The part of its steps that a KSamplerAdvanced executes, as saved in the template. */
export interface StepWindow {
  readonly node: string;
  readonly steps: number;
  readonly start: number;
  readonly end: number;
  /**
   * It adds noise and continues to the last step, so omitting the first steps is what KSampler calls denoise. Otherwise
   * (one half of a base/refiner pair) the window keeps its share of the steps.
   */
  readonly denoises: boolean;
}
