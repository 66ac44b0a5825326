/** Existing resources, so that not every random request fails at the first check. */
export interface FuzzTargets {
  /** Every operation of openapi.json: `GET /jobs/{id}`. */
  readonly operations: readonly string[];
  /** An API key with all rights. */
  readonly key: string;
  readonly jobs: readonly string[];
  readonly frames: readonly string[];
  /** Path and query of a signed URL. */
  readonly signed: string;
  /** A small valid picture. */
  readonly png: Buffer;
}
