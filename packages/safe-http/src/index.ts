export { Connections } from './exchange.js';
export type { Resolver } from './resolver.js';
export {
  createSafeHttp,
  type Fetched,
  type GetOptions,
  type Posted,
  type PostOptions,
  type Reading,
  type ReadOptions,
  type SafeHttp,
  type SafeHttpOptions,
} from './safe-http.js';
