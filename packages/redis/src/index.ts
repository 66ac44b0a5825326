export { batched } from './batching.js';
export { createRedisClock, type RedisClock, redisTime } from './clock.js';
export {
  defineScripts,
  producerConnection,
  retryOnTimeout,
  runScript,
  untilReady,
  workerConnection,
} from './connection.js';
export { takeLease } from './lease.js';
export { createReplication, type Replication, writeUntilReplicated } from './replication.js';
export { createSubscriptions, Feed, type Listener, type Subscriptions } from './subscriptions.js';
