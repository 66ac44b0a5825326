import type { RequestListener } from 'node:http';
import type { Dialect } from '../server/dialect.js';
import type { Route } from '../server/messages.js';
import type { SocketRoute } from '../server/sockets.js';

/** Another API than ours, as a translation over the same orders: all that there is below the prefix of its dialect. */
export interface Facade {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  readonly sockets?: readonly SocketRoute[];
  /** Makes one path of those that mean the same, and takes keys out of paths, before anything looks at the request. */
  readonly arriving?: (request: Parameters<RequestListener>[0]) => void;
}
