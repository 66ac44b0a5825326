import type { Slot } from './graph.js';

/** What of a request can be written into a workflow; the names are the API's, except where ComfyUI's say more. */
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
 * Where the parameters stand in a template. Every place of a parameter gets its value; no place at all means that the
 * workflow cannot take it: a request that sets it is refused, and the value in the graph is reported.
 */
export interface Bindings {
  readonly slots: Readonly<Record<Parameter, readonly Slot[]>>;
  /** Where the nodes that write files are told how to begin their names. */
  readonly prefixes: readonly Slot[];
  /**
   * Where a RepeatLatentBatch is put for more than one picture, when the graph has no batch size of its own (img2img);
   * undefined when there is no such place either.
   */
  readonly repeatAt: Slot | undefined;
  /** The windows of steps of KSamplerAdvanced nodes, which follow `steps` and `denoise`. */
  readonly windows: readonly StepWindow[];
  /**
   * `cfg` is the guidance of a distilled model (FluxGuidance): another scale than classifier-free guidance, so a
   * profile's cfg is not applied to it, only a request's own.
   */
  readonly distilledGuidance: boolean;
}

/** The part of its steps that a KSamplerAdvanced works on, as saved in the template. */
export interface StepWindow {
  readonly node: string;
  readonly steps: number;
  readonly start: number;
  readonly end: number;
  /**
   * It adds noise and goes to the last step, so leaving out the first steps is what KSampler calls denoise. Otherwise
   * (one half of a base/refiner pair) the window keeps its share of the steps.
   */
  readonly denoises: boolean;
}
