import {
  type Config,
  ConfigError,
  commandEnvironment,
  loadConfig,
  loadEnvFile,
  misspeltSettings,
  portsOf,
  readInstances,
} from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { openFrameStores } from '@comfy-fleet/frames';
import { checkSchema, createWorkerLedger } from '@comfy-fleet/jobs';
import {
  createLogger,
  createMetrics,
  startHealthServer,
  startTracing,
  stopOnSignals,
  watchRedis,
  whileRedisAnswers,
} from '@comfy-fleet/telemetry';
import { loadWorkflows, MAX_OUTPUTS, WorkflowError } from '@comfy-fleet/workflows';
import { orderWarmUp } from './upkeep/warm-up-order.js';
import { startWorker } from './worker.js';

/** Longest answer of a readiness probe. */
const READY_TIMEOUT_MS = 1000;
/** For giving back what did not finish, after DRAIN_SECONDS. */
const STOP_GRACE_MS = 5000;
/** How often to poll a running prompt over HTTP when the socket is silent. */
const POLL_MS = 1000;
/** How often a ComfyUI is asked which nodes and models it has. */
const ABILITIES_SECONDS = 60;
/** An instance that describes its nodes and models with more is given any job. */
const MAX_CATALOGUE_BYTES = 64 * 1024 * 1024;
/** How often instances may refuse or lose a job that has not begun, before it fails. */
const MAX_REFUSALS = 10;
/** How long to retry storing a finished picture, or reading an input picture, before the job fails. */
const STORE_RETRY_MS = 60_000;
/** How many different jobs must fail in a row on an instance, possibly through its fault, before it rests, and how long. */
const REST_LIMITS = { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 600_000 };
/** How long a prompt may wait in a ComfyUI that executes nothing, before its job goes elsewhere and the instance rests. */
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
  const { name, announceSeconds, drainSeconds, adoptWaitSeconds, healthHost, healthPort } = config.worker;
  const { maxAttempts, maxInstanceDeaths, maxWorkerDeaths } = config.queue;
  const { maxOvertakes, modelPatienceSeconds, jobTtlSeconds, lockMs, stalledCheckMs, keptWorkItems } = config.queue;
  const workflows = await loadWorkflows(config.workflowsDir, config);
  const { warmUp } = config.worker;
  const warmUpOrder = warmUp && orderWarmUp(warmUp, workflows, config.limits);
  const stores = await openFrameStores(config.frames, { owner: name });
  const swept = await stores.frames.sweepTemporary();
  if (swept > 0) log.info('removed half-written pictures of an earlier run', { count: swept });

  await checkSchema(config.redis, { onMismatch: fail, log });
  const ledger = createWorkerLedger({
    redis: config.redis,
    files: stores.inputs,
    worker: name,
    jobTtlSeconds,
    // A worker that can stop the prompt first is to be the one that fails the job; this is for what kills even that.
    maxWorkerDeaths: 2 * maxWorkerDeaths,
    maxOvertakes,
    modelPatienceMs: modelPatienceSeconds * 1000,
    timelineEntries: config.past.timelineEntries,
    lockMs,
    stalledCheckMs,
    keptWorkItems,
    announceSeconds,
    log,
  });
  const worker = await startWorker({
    name,
    instances,
    pools,
    ports: [...new Set([...config.ownPorts, ...portsOf(instances.map(({ url }) => url))])],
    ledger,
    stores,
    minFreeBytes: config.retention.minFreeBytes,
    tools: {
      workflows,
      logPrompts: config.log.prompts,
      pollMs: POLL_MS,
      maxGpuSeconds: config.workflows.maxGpuSeconds,
      maxAttempts,
      maxRefusals: MAX_REFUSALS,
      maxInstanceDeaths,
      maxWorkerDeaths,
      maxOutputBytes: config.worker.maxOutputBytes,
      maxOutputs: MAX_OUTPUTS,
      storeRetryMs: STORE_RETRY_MS,
      interruptGraceMs: config.worker.interruptGraceSeconds * 1000,
      unreachableMs: config.worker.unreachableSeconds * 1000,
    },
    metrics,
    restLimits: REST_LIMITS,
    beginMs: BEGIN_MS,
    restart: restartRules(config.worker.restart),
    warmUp: warmUpOrder,
    adoptWaitMs: adoptWaitSeconds * 1000,
    comfyTimeoutMs: config.comfyui.timeoutMs,
    announceSeconds,
    abilitiesSeconds: ABILITIES_SECONDS,
    movePatienceMs: modelPatienceSeconds * 1000,
    maxCatalogueBytes: MAX_CATALOGUE_BYTES,
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
    host: healthHost,
    port: healthPort,
    ready: () => worker.notReady(AbortSignal.timeout(READY_TIMEOUT_MS)),
    metrics,
    log,
  });
  const watching = watchRedis({ metrics, ping: (signal) => ledger.ping(signal), signal: stopping.signal, log });
  log.info('worker started', { name, pools, instances: instances.length, health_port: health.port });

  const stop = async () => {
    // What runs is recorded in Redis or not at all: without it the jobs' locks lapse, and the next worker finds them.
    await whileRedisAnswers(worker.stop(drainSeconds * 1000), { ping: ledger.ping });
    stopping.abort();
    await watching;
    await health.close();
    await Promise.all([ledger.close(), tracing.close()]);
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

/** What a person starting it can fix is said in a line or two; anything else with its stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof WorkflowError) return error.message;
  if (error instanceof FleetError) return error.detail;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}
