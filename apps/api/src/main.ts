import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ConfigError,
  loadConfig,
  loadEnvFile,
  misspeltSettings,
  openApiKeys,
  readAllowedNodes,
  requireKeys,
} from '@comfy-fleet/config';
import { openFrameStores } from '@comfy-fleet/frames';
import { checkSchema, createLedger, type Ledger } from '@comfy-fleet/jobs';
import { createSafeHttp, type SafeHttp, type SafeHttpOptions } from '@comfy-fleet/safe-http';
import {
  createLogger,
  createMetrics,
  fail,
  startHealthServer,
  startTracing,
  stopOnSignals,
  traceRequests,
  watchRedis,
} from '@comfy-fleet/telemetry';
import { below, buildApp } from './app.js';
import { createDecoder } from './decoding/children.js';
import { createRewriter } from './decoding/rewriter.js';
import type { Deps } from './deps.js';
import { COMFYUI_PREFIX } from './facades/comfyui/dialect.js';
import { createDerived } from './files/derived.js';
import { createFileMeasures } from './files/measure-file.js';
import { createFileRewrites } from './files/rewrite-file.js';
import {
  createDerivedRoom,
  createQueueSpace,
  createSpaceCheck,
  createStorageWatch,
  storeWithinSpace,
} from './files/storage.js';
import { createOffers } from './models/offers.js';
import { createInputsCheck } from './orders/inputs-check.js';
import { createLongJobs } from './orders/long-jobs.js';
import { createWithinLimits } from './orders/refuse-job.js';
import { createFleetView } from './orders/waiting-for.js';
import { notReady } from './resources/service/routes.js';
import { createOpenStreams } from './server/key-limits.js';
import { listen } from './server/listen.js';
import { createInstruments } from './server/locals.js';
import { createAllTurns } from './server/turns.js';
import { openLiveWorkflows } from './workflows/live-workflows.js';

/** A connection is closed when it has been silent both ways for this long plus the longest `wait`. */
const IDLE_SECONDS = 60;
const HEARTBEAT_MS = 15_000;
/** The keys file is reread after a second or two, so streams of a revoked key end within 15 s. */
const READMIT_MS = 10_000;
/** How long running requests may take when the process stops. Streams and waits end at once. */
const GRACE_MS = 10_000;
/** How long closing everything else may take after that. */
const STOP_GRACE_MS = 10_000;
/** How long the start waits for Redis, and how often it pings it. */
const FIRST_ANSWER_MS = 3000;
const PING_MS = 20;
/** Probes arrive every few seconds, and sockets last for hours. */
const UNTRACED = new Set(['/livez', '/readyz', `${COMFYUI_PREFIX}/ws`]);

async function main(): Promise<void> {
  loadEnvFile();
  const config = loadConfig();
  const { keysFile, allowAnonymous, signedUrlSeconds } = config.access;
  requireKeys({ host: config.http.host, keysFile, allowAnonymous });
  const allowedNodes = readAllowedNodes(config);
  const log = createLogger({ service: 'api', ...config.log });
  for (const text of misspeltSettings()) log.warn(text);
  const tracing = await startTracing({ service: 'api', ...config.tracing, log });
  const metrics = createMetrics({ service: 'api', log });
  const onFault = (error: ConfigError) => log.error('the API keys stay as they were', { error });
  const keys = keysFile === undefined ? undefined : await openApiKeys(keysFile, { onFault });
  // The port tells apart several processes on one machine.
  const owner = `api-${hostname()}-${config.http.port}`;
  const stores = await openFrameStores(config.frames, { owner });
  const storage = createStorageWatch(stores, log);
  const stopping = new AbortController();

  await checkSchema(config.redis, { onMismatch: fail, log });
  const { maxOpenJobs, keyJobBytes, jobTtlSeconds, idempotencyTtlSeconds } = config.queue;
  const ledger = createLedger({
    redis: config.redis,
    files: stores.inputs,
    maxOpenJobs,
    keyJobBytes,
    jobTtlSeconds,
    idempotencyTtlSeconds,
    signedUrlSeconds,
    maxWorkflowVersions: config.workflows.maxVersions,
    assetTtlSeconds: config.retention.inputsMaxAgeSeconds,
    log,
  });
  const ports = { ownPorts: config.ownPorts, announcedPorts: ledger.fleet.ports };
  const pictureHttp = openHttp('IMAGE_URL_ALLOW', { allow: config.images.fetchAllow, ...ports });
  const modelHttp = openHttp('MODEL_SOURCE_ALLOW', { allow: config.models.sourceAllow, ...ports });
  const webhookHttp = openHttp('WEBHOOK_ALLOW', { allow: config.webhooks.allow, ...ports });
  // Clients that do not check /readyz send requests as soon as the port is open.
  await waitForRedis(ledger);
  const { signal } = stopping;
  const workflows = await openLiveWorkflows({
    dir: config.workflowsDir,
    checkpoint: config.checkpoint,
    registry: ledger.workflows,
    signal,
    log,
  });
  const { host, port, maxWaitSeconds } = config.http;
  const idleMs = (maxWaitSeconds + IDLE_SECONDS) * 1000;
  const server = await listen({ host, port, idleMs });
  const { comfyuiPort } = config.compat;
  const comfyui = comfyuiPort === undefined ? undefined : await listen({ host, port: comfyuiPort, idleMs });
  const servers = comfyui === undefined ? [server] : [server, comfyui];
  const watching = watchRedis({ metrics, ping: () => ledger.ping(), signal, log });
  const turns = createAllTurns();
  const { decoding } = turns;
  const { decodeSeconds: seconds, maxPixels } = config.images;
  const child = { frames: config.frames, seconds, maxPixels };
  const decoder = createDecoder({ ...child, log, stopping: signal });
  const requireDiskSpace = createSpaceCheck(stores.frames, { minFreeBytes: config.retention.minFreeBytes, log });
  const frames = storeWithinSpace(stores.frames, requireDiskSpace);
  const inputs = storeWithinSpace(stores.inputs, requireDiskSpace);
  const requireQueueSpace = createQueueSpace(ledger);
  const instruments = createInstruments(metrics);
  const fleet = createFleetView(ledger, log);
  const deps: Deps = {
    config,
    keys,
    allowedNodes,
    ledger,
    fleet,
    offers: createOffers({ ledger, fleet, keys }),
    workflows,
    frames,
    inputs,
    decoder,
    measureFile: createFileMeasures({ decoder, decoding, maxBytes: config.images.maxBytes }),
    rewriteFile: createFileRewrites({
      decoding,
      inputs,
      ledger,
      rewrite: createRewriter(child),
    }),
    derived: createDerived({
      ...stores,
      decoder,
      ...config.images,
      room: createDerivedRoom({ ledger }, requireDiskSpace),
    }),
    pictureHttp,
    webhookRefusal: (url) => webhookHttp.refusal(url),
    modelUrlRefusal: (url) => modelHttp.refusal(url),
    checkInputs: createInputsCheck(),
    withinLimits: createWithinLimits(),
    ...turns,
    longJobs: createLongJobs(),
    storage,
    requireSpace: async () => {
      await requireDiskSpace();
      await requireQueueSpace();
    },
    streams: createOpenStreams(config.http.streams, instruments.streams),
    downloads: createOpenStreams(config.http.downloads, undefined, 'downloads'),
    previews: createOpenStreams(config.http.previews),
    instruments,
    log,
    stopping: signal,
    heartbeatMs: HEARTBEAT_MS,
    readmitMs: READMIT_MS,
  };
  const app = buildApp(deps, (serve) => (tracing.isOn ? traceRequests(serve, UNTRACED) : serve));
  server.serve(app);
  comfyui?.serve(below(COMFYUI_PREFIX, app));
  const health = await startHealthServer({
    host: config.healthHost,
    port: config.http.metricsPort,
    ready: () => notReady(deps, signal),
    metrics,
    log,
  });
  const listening = { port: server.port, ...(comfyui === undefined ? {} : { comfyui_port: comfyui.port }) };
  log.info('listening', { host: config.http.host, ...listening, metrics_port: health.port });
  const { unreadyMs } = config.http;
  const stop = async () => {
    stopping.abort();
    for (const one of servers) one.leave();
    await delay(unreadyMs);
    await Promise.all(servers.map((one) => one.close(GRACE_MS)));
    await watching;
    await health.close();
    // An unreachable trace collector delays closing until its timeout.
    await Promise.all([ledger.close(), tracing.close()]);
    keys?.close();
  };
  // Nothing may be awaited before this: requests are already being served, and a signal would cut them off.
  stopOnSignals({ stop, withinMs: unreadyMs + GRACE_MS + STOP_GRACE_MS, log });

  inputs.sweepTemporary().then(
    (removed) => log.debug('temporary files swept', { removed }),
    (error: unknown) => log.error('input pictures cannot be stored', { error }),
  );
  await storage.ask(); // logs when pictures cannot be stored
}

/** An HTTP client for public hosts and the hosts that the setting lists. Throws a ConfigError for an invalid entry. */
function openHttp(setting: string, options: SafeHttpOptions): SafeHttp {
  try {
    return createSafeHttp(options);
  } catch (error) {
    throw new ConfigError([`${setting}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Resolves when Redis answers, or after FIRST_ANSWER_MS: from then on, callers get an error rather than no connection. */
async function waitForRedis(ledger: Ledger): Promise<void> {
  const isReachable = () =>
    ledger.ping().then(
      () => true,
      () => false,
    );
  for (const end = Date.now() + FIRST_ANSWER_MS; Date.now() < end && !(await isReachable()); ) await delay(PING_MS);
}

main().catch(fail);
