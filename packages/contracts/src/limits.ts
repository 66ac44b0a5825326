/** The bounds of a request's fields. Each is a setting of the same name (see packages/config). */
export interface RequestLimits {
  /** Characters in `prompt` and in `negative_prompt`. */
  readonly maxPromptChars: number;
  readonly maxSteps: number;
  readonly maxCfg: number;
  /** Pixels, width and height each. */
  readonly minSize: number;
  readonly maxSize: number;
  /** Pictures of one job (the batch size). */
  readonly maxCount: number;
  /** Bytes of `metadata` written as JSON in UTF-8. */
  readonly maxMetadataBytes: number;
  /** Seconds that a job may wait for its start. */
  readonly maxQueuedSeconds: number;
}

/** Widths and heights are multiples of this: one latent pixel is 8×8 picture pixels. */
export const SIZE_STEP = 8;

export const MIN_PRIORITY = -2;
export const MAX_PRIORITY = 2;
