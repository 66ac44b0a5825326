export type { Resolver } from './resolver.js';
export {
  createSafeHttp,
  type Fetched,
  type GetOptions,
  type Posted,
  type PostOptions,
  type SafeHttp,
  type SafeHttpOptions,
} from './safe-http.js';
