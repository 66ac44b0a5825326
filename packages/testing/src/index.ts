export { overridesEnv } from '@comfy-fleet/config';
export { followJournal, type JournalLine, readJournal, type Simulator, startSimulator } from '@comfy-fleet/simulator';
export {
  catalogueWith,
  filesInMemory,
  PICTURE,
  pictureFile,
  pictureRequest,
  type RequestOverrides,
  redisSettings,
  uniquePrefix,
  withText,
} from './builders.js';
export { claimNext } from './claims.js';
export { comfyUnderTest } from './comfyui-under-test.js';
export { type Gate, startGate } from './gate.js';
export { createGpus, type Gpus, lastEnd, queueOf, starts } from './gpus.js';
export { HOSTILE_REQUESTS, type HostileRequest } from './hostile-requests.js';
export { type JobClient, jobClient } from './job-client.js';
export { removeFolder, until } from './lifecycle.js';
export { fetchesInOrder, fewestFetches, type ModelCaches, popularModels } from './model-caches.js';
export {
  type ModelSource,
  type SourceFault,
  type SourceFile,
  safetensors,
  sha256,
  startModelSource,
} from './model-source.js';
export { nodeOfMajor, npmPackage } from './npm-tools.js';
export { type CollectedSpan, type OtlpCollector, startOtlpCollector } from './otlp-collector.js';
export { freePort, freePorts, onFreePort } from './ports.js';
export { type RedisCluster, startRedisCluster } from './redis-cluster.js';
export { type RedisSentinels, startRedisSentinels } from './redis-sentinels.js';
export { askRedis, type Certificates, makeCertificates, type RedisServer, startRedisServer } from './redis-server.js';
export { type S3Server, startS3Server } from './s3-server.js';
export { type Exit, ready, type Service, startProgram, startService } from './service.js';
export {
  type AppStart,
  apiOn,
  dispatcherOn,
  simulatorOn,
  startStack,
  type TestStack,
  type TestStackOptions,
  workerOn,
} from './stack.js';
export { type ReceivedWebhook, type SinkAnswer, startWebhookSink, type WebhookSink } from './webhook-sink.js';
