export { producerConnection, repeatedOnce, untilReady, workerConnection } from './connection.js';
export { joined } from './joined.js';
export { takeLease } from './lease.js';
export { createReplication, type Replication, writeUntilReplicated } from './replication.js';
export { defineScripts, runScript } from './scripts.js';
export { createSubscriptions, type Listener, type Subscriptions } from './subscriptions.js';
export { redisTime } from './time.js';
