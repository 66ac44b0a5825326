export { createRedisClock, type RedisClock, redisTime } from './clock.js';
export {
  defineScripts,
  producerConnection,
  repeatedOnce,
  runScript,
  untilReady,
  workerConnection,
} from './connection.js';
export { joined } from './joined.js';
export { takeLease } from './lease.js';
export { createReplication, type Replication, writeUntilReplicated } from './replication.js';
export { createSubscriptions, Feed, type Listener, type Subscriptions } from './subscriptions.js';
