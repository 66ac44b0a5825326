import {
  type ApiKeys,
  type Config,
  ConfigError,
  loadConfig,
  loadEnvFile,
  misspeltSettings,
  openApiKeys,
} from '@comfy-fleet/config';
import { openFrameStores } from '@comfy-fleet/frames';
import {
  checkSchema,
  createDeliveries,
  createHousekeeper,
  createSchedules,
  type DueDelivery,
  deliver,
} from '@comfy-fleet/jobs';
import { createSafeHttp, type SafeHttp, type SafeHttpOptions } from '@comfy-fleet/safe-http';
import {
  createLogger,
  createMetrics,
  fail,
  type Logger,
  type Metrics,
  startHealthServer,
  startTracing,
  stopOnSignals,
  watchRedis,
  whileRedisAnswers,
} from '@comfy-fleet/telemetry';
import { housekeepingTasks } from './housekeeping/housekeeping.js';
import { showFleet } from './metrics/fleet-gauges.js';
import { measureWebhooks, secretsBy } from './webhooks.js';

/** Deadline of the readiness probe. */
const READY_TIMEOUT_MS = 1000;
/** Deadline of the storage check at start; the process starts even if it fails. */
const STORAGE_TIMEOUT_MS = 3000;
/** Time to stop after the last attempts have ended. */
const STOP_GRACE_MS = 5000;

async function main(): Promise<void> {
  loadEnvFile();
  const config = loadConfig();
  const log = createLogger({ service: 'dispatcher', ...config.log });
  for (const text of misspeltSettings()) log.warn(text);
  const tracing = await startTracing({ service: 'dispatcher', ...config.tracing, log });
  const metrics = createMetrics({ service: 'dispatcher', log });
  const { redis } = config;
  const { jobTtlSeconds, lockMs, stalledCheckMs, sweepSeconds } = config.queue;
  const { secrets, allow, timeoutMs, concurrency, perKey, perHost, retryDelaysMs } = config.webhooks;
  const { keysFile, signedUrlSeconds } = config.access;
  const keys = await openKeys(keysFile, log);
  if (keys !== undefined && secrets.length > 0) {
    log.warn(
      'WEBHOOK_SECRETS signs nothing: with API_KEYS_FILE, webhooks are signed only with the secrets of their keys',
    );
  }
  const stores = await openFrameStores(config.frames, { owner: 'dispatcher' });
  const fault = await stores.fault(AbortSignal.timeout(STORAGE_TIMEOUT_MS));
  if (fault !== undefined) log.error('pictures cannot be stored or read', { reason: fault });
  const stopping = new AbortController();
  const { signal } = stopping;

  await checkSchema(redis, { onMismatch: fail, log });
  const deliveries = createDeliveries({ redis, jobTtlSeconds, signedUrlSeconds, lockMs, stalledCheckMs, log });
  const keeper = createHousekeeper({ redis, jobTtlSeconds, log });
  const schedules = createSchedules({ redis, lockMs, stalledCheckMs, log });
  const http = openHttp({ allow, ownPorts: config.ownPorts, announcedPorts: keeper.ports });
  const tools = {
    http,
    secretsOf: secretsBy(keys, secrets),
    signing: keys === undefined ? undefined : (key: string) => deliveries.urls.signing(key),
    hasKey: (key: string) => keys === undefined || keys.byId(key) !== undefined,
    publicUrl: config.http.publicUrl,
    timeoutMs,
    retryDelaysMs,
  };
  showFleet({ metrics, keeper, freeBytes: () => stores.frames.freeBytes() });
  const measure = measureWebhooks(metrics);
  const handler = async (due: DueDelivery, tried: AbortSignal) => {
    const result = await deliver(due, tools, tried);
    measure(due, result);
    return result;
  };
  const work = Promise.all([
    deliveries.work(handler, { concurrency, perKey, perHost }, signal),
    schedules.work(
      housekeepingTasks({
        keeper,
        ...stores,
        retention: config.retention,
        sweepSeconds,
        stepSeconds: config.past.stepSeconds,
        replicasWanted: redis.wait?.replicas ?? 0,
        signal,
        log,
      }),
      signal,
    ),
    watchRedis({ metrics, ping: (late) => deliveries.ping(late), signal, log }),
  ]);
  work.catch((error: unknown) => {
    log.error('the dispatcher itself failed', { error });
    process.exit(1);
  });
  const health = await startHealth(config, metrics, log, () => deliveries.ping(AbortSignal.timeout(READY_TIMEOUT_MS)));
  log.info('dispatcher started', { health_port: health.port });

  const stop = async () => {
    stopping.abort();
    const over = work.then(() => Promise.all([deliveries.close(), schedules.close()]));
    await whileRedisAnswers(over, { ping: deliveries.ping }); // without Redis, the locks of its deliveries expire by themselves
    await health.close();
    await Promise.all([keeper.close(), tracing.close()]);
    keys?.close();
  };
  // An interrupted attempt would be repeated, so let each one finish.
  stopOnSignals({ stop, withinMs: timeoutMs + STOP_GRACE_MS, log });
}

function openHttp(options: SafeHttpOptions): SafeHttp {
  try {
    return createSafeHttp(options);
  } catch (error) {
    throw new ConfigError([`WEBHOOK_ALLOW: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

async function openKeys(path: string | undefined, log: Logger): Promise<ApiKeys | undefined> {
  if (path === undefined) return undefined;
  return openApiKeys(path, {
    onFault: (error) => log.error('the API keys file cannot be used; the keys stay as they were', { error }),
  });
}

function startHealth(
  { healthHost: host, dispatcher }: Config,
  metrics: Metrics,
  log: Logger,
  ping: () => Promise<void>,
) {
  const ready = () =>
    ping().then(
      () => [],
      () => ['Redis does not answer'],
    );
  return startHealthServer({ host, port: dispatcher.healthPort, ready, metrics, log });
}

main().catch(fail);
