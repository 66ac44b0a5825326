import type { FleetError } from '@comfy-fleet/contracts';
import type { Reply } from './messages.js';

/** How another API than ours, which all paths below a prefix belong to, says what is wrong. */
export interface Dialect {
  /** Without a slash at its end. */
  readonly prefix: string;
  /** The error in that API's own shape. Its headers Retry-After and WWW-Authenticate are added by who sends it. */
  problem(error: FleetError, path: string): Reply;
}

/** The dialect of a path, which is still percent-encoded; undefined: ours. As routes, prefixes match in any case. */
export function dialectOf(dialects: readonly Dialect[], path: string): Dialect | undefined {
  const lower = path.toLowerCase();
  return dialects.find(({ prefix }) => lower === prefix || lower.startsWith(`${prefix}/`));
}
