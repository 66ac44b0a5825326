import type { Route } from '../../../src/server/messages.js';

export type TargetRoute = Pick<Route, 'method' | 'path'>;

/** What the requests of one key are about: its own things, those of others, and what never was. */
export interface CompatTargets {
  readonly routes: readonly TargetRoute[];
  readonly key: string;
  /** Is in every text that the key sends, and in no other key's. */
  readonly marker: string;
  /** Of jobs, prompts and assets, of this key and of others. */
  readonly ids: readonly string[];
  /** Of files, likewise. */
  readonly names: readonly string[];
  /** Of contents, likewise. */
  readonly hashes: readonly string[];
  /** Ids that the key gives its prompts itself. */
  readonly promptIds: readonly string[];
  /** A small picture that can be used. */
  readonly png: Buffer;
}
