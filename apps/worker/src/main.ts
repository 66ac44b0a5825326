import {
  type Config,
  ConfigError,
  commandEnvironment,
  loadConfig,
  loadEnvFile,
  misspeltSettings,
  portsOf,
  readInstances,
  readModelCredentials,
} from '@comfy-fleet/config';
import { openFrameStores } from '@comfy-fleet/frames';
import { checkSchema, createWorkerLedger } from '@comfy-fleet/jobs';
import {
  createLogger,
  createMetrics,
  fail,
  startHealthServer,
  startTracing,
  stopOnSignals,
  watchRedis,
  whileRedisAnswers,
} from '@comfy-fleet/telemetry';
import { loadWorkflows, MAX_OUTPUTS } from '@comfy-fleet/workflows';
import { createMediaReader } from './job/media-facts.js';
import { modelSetup } from './models/setup.js';
import { orderWarmUp } from './upkeep/warm-up-order.js';
import { startWorker } from './worker.js';

/** How long a readiness probe waits for an answer. */
const READY_TIMEOUT_MS = 1000;
/** Time after DRAIN_SECONDS to give unfinished jobs back to the queue. */
const STOP_GRACE_MS = 5000;
/** How often to poll a running prompt over HTTP when the socket is silent. */
const POLL_MS = 1000;
/** How often each instance's node classes and models are read. */
const ABILITIES_SECONDS = 60;
/** Largest catalogue that is read. An instance with a larger one is offered every job. */
const MAX_CATALOGUE_BYTES = 64 * 1024 * 1024;
/** How often instances may refuse or lose a job before it begins; after that it fails. */
const MAX_REFUSALS = 10;
/** How long to retry storing an output or reading an input file before the job fails. */
const STORE_RETRY_MS = 60_000;
/** The most nodes whose results a ComfyUI without `--cache-lru` keeps; see KeptResults. */
const MAX_KEPT_NODES = 10_000;
/** A job younger than this gets previews, because its caller may only be about to follow it. */
const FOLLOW_WITHIN_MS = 5000;
/** An instance rests after failures of this many different jobs in a row that may be its fault, for these times. */
const REST_LIMITS = { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 600_000 };
/**
 * How long a prompt may wait while its instance executes nothing. After that the instance rests and the job goes
 * elsewhere.
 */
const BEGIN_MS = 60_000;
/** How long COMFYUI_RESTART_COMMAND may take before it is killed. */
const RESTART_TIMEOUT_MS = 120_000;

async function main(): Promise<void> {
  loadEnvFile();
  const config = loadConfig();
  const instances = await readInstances(config);
  if (instances.length === 0) {
    throw new ConfigError(['COMFYUI_URLS is not set: write the address of each ComfyUI, e.g. http://127.0.0.1:8188']);
  }
  const pools = [...new Set(instances.flatMap((instance) => instance.pools))];
  const log = createLogger({ service: 'worker', ...config.log });
  for (const text of misspeltSettings()) log.warn(text);
  const tracing = await startTracing({ service: 'worker', ...config.tracing, log });
  const metrics = createMetrics({ service: 'worker', log });
  const stopping = new AbortController();
  const { name, announceSeconds, drainSeconds, adoptWaitSeconds, healthPort } = config.worker;
  const { maxAttempts, maxInstanceDeaths, maxWorkerDeaths } = config.queue;
  const { maxOvertakes, modelPatienceSeconds, jobTtlSeconds, lockMs, stalledCheckMs } = config.queue;
  const workflows = await loadWorkflows(config.workflowsDir, config);
  const { warmUpWorkflow } = config.worker;
  const warmUp = warmUpWorkflow === undefined ? undefined : orderWarmUp(warmUpWorkflow, workflows, config.limits);
  const stores = await openFrameStores(config.frames, { owner: name });
  const swept = await stores.frames.sweepTemporary();
  if (swept > 0) log.info('removed partly written files of an earlier run', { count: swept });

  await checkSchema(config.redis, { onMismatch: fail, log });
  const ledger = createWorkerLedger({
    redis: config.redis,
    files: stores.inputs,
    worker: name,
    jobTtlSeconds,
    // The worker fails such a job itself after maxWorkerDeaths, because it can stop the prompt. Twice as many means
    // that even this killed the worker.
    maxWorkerDeaths: 2 * maxWorkerDeaths,
    maxOvertakes,
    modelPatienceMs: modelPatienceSeconds * 1000,
    lockMs,
    stalledCheckMs,
    announceSeconds,
    log,
  });
  const ports = [...new Set([...config.ownPorts, ...portsOf(instances.map(({ url }) => url))])];
  const credentials = await readModelCredentials(config);
  const models = await modelSetup({ config, credentials, ports, metrics, log });
  const worker = await startWorker({
    name,
    instances,
    pools,
    ports,
    ledger,
    stores,
    minFreeBytes: config.retention.minFreeBytes,
    tools: {
      workflows,
      logPrompts: config.log.prompts,
      pollMs: POLL_MS,
      maxGpuSeconds: config.workflows.maxGpuSeconds,
      maxKeptPixels: config.limits.maxJobPixels,
      maxKeptNodes: MAX_KEPT_NODES,
      maxAttempts,
      maxRefusals: MAX_REFUSALS,
      maxInstanceDeaths,
      maxWorkerDeaths,
      maxOutputBytes: config.worker.maxOutputBytes,
      maxOutputs: MAX_OUTPUTS,
      mediaFacts: createMediaReader(),
      storeRetryMs: STORE_RETRY_MS,
      followWithinMs: FOLLOW_WITHIN_MS,
      fastSaveBelowMs: config.worker.fastSaveBelowMs,
      interruptGraceMs: config.worker.interruptGraceSeconds * 1000,
      unreachableMs: config.worker.unreachableSeconds * 1000,
    },
    metrics,
    restLimits: REST_LIMITS,
    beginMs: BEGIN_MS,
    restart: restartRules(config.worker.restart),
    warmUp,
    adoptWaitMs: adoptWaitSeconds * 1000,
    comfyTimeoutMs: config.comfyui.timeoutMs,
    announceSeconds,
    abilitiesSeconds: ABILITIES_SECONDS,
    movePatienceMs: modelPatienceSeconds * 1000,
    maxCatalogueBytes: MAX_CATALOGUE_BYTES,
    encodeAhead: config.worker.encodeAhead,
    modelSetup: models,
    onNameTaken: () => {
      if (process.exitCode !== undefined) return;
      log.error('another worker was started with this name and has taken over; give each its own WORKER_NAME', {
        name,
      });
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    },
    log,
  });
  const health = await startHealthServer({
    host: config.healthHost,
    port: healthPort,
    ready: () => worker.notReady(AbortSignal.timeout(READY_TIMEOUT_MS)),
    metrics,
    log,
  });
  const watching = watchRedis({ metrics, ping: (signal) => ledger.ping(signal), signal: stopping.signal, log });
  log.info('worker started', { name, pools, instances: instances.length, health_port: health.port });

  const stop = async () => {
    // Without Redis nothing can be recorded: the jobs' locks expire, and the next worker finds the jobs.
    await whileRedisAnswers(worker.stop(drainSeconds * 1000), { ping: ledger.ping });
    stopping.abort();
    await watching;
    await health.close();
    await Promise.all([models.close(), ledger.close(), tracing.close()]);
  };
  const withinMs = drainSeconds * 1000 + STOP_GRACE_MS;
  stopOnSignals({ stop, withinMs, about: { drain_seconds: drainSeconds }, log });
}

main().catch(fail);

function restartRules({ command, waitSeconds, mostPerHour }: Config['worker']['restart']) {
  if (command === undefined) return undefined;
  const environment = commandEnvironment();
  return { command, environment, timeoutMs: RESTART_TIMEOUT_MS, waitMs: waitSeconds * 1000, mostPerHour };
}
