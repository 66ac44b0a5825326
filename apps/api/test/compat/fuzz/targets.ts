import type { Route } from '../../../src/server/messages.js';

export type TargetRoute = Pick<Route, 'method' | 'path'>;

/** Names and ids for the requests of one key: its own, those of other keys, and unknown ones. */
export interface CompatTargets {
  readonly routes: readonly TargetRoute[];
  readonly key: string;
  /** A text that only this key sends, and in everything that it sends. */
  readonly marker: string;
  /** Ids of jobs, prompts and assets, of this key and of others. */
  readonly ids: readonly string[];
  /** Names of files of all keys. */
  readonly names: readonly string[];
  /** Hashes of assets of all keys. */
  readonly hashes: readonly string[];
  /** Prompt ids that the key chooses itself. */
  readonly promptIds: readonly string[];
  /** A small valid picture. */
  readonly png: Buffer;
}
