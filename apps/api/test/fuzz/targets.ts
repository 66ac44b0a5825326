/** What requests may be about: things that are there, so that not every one of them ends at the door. */
export interface FuzzTargets {
  /** Every operation of openapi.json: `GET /jobs/{id}`. */
  readonly operations: readonly string[];
  /** An API key that may do everything. */
  readonly key: string;
  readonly jobs: readonly string[];
  readonly frames: readonly string[];
  /** Path and query of a signed URL. */
  readonly signed: string;
  /** A small picture that can be used. */
  readonly png: Buffer;
}
