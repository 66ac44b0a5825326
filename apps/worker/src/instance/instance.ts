import { EventEmitter } from 'node:events';
import {
  type CacheMode,
  type ComfyClient,
  type ComfySocket,
  CredentialsRefused,
  connectSocket,
  createComfyClient,
  exposuresOf,
  OutputMissing,
  type PromptQueue,
  readAbilities,
  type SocketEvent,
  type SystemStats,
} from '@comfy-fleet/comfyui';
import type { InstanceFolders } from '@comfy-fleet/config';
import {
  type Abilities,
  FleetError,
  type InstanceExposure,
  type InstanceMachine,
  type InstanceState,
  isInService,
} from '@comfy-fleet/contracts';
import type { PublishedCatalogue } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { mainModelsOf, withoutModels } from '@comfy-fleet/workflows';
import { createHeldModels, type HeldModels, type LoadTimes } from './held-models.js';
import { InstanceHealth } from './instance-health.js';
import { createEncodeAhead, type EncodeAhead, type EncodeAheadRules } from './savings.js';
import { describeScope } from './scope.js';
import type { RestLimits } from './suspicion.js';

/** What a follower of a prompt receives: the socket's events for the prompt, and that events may have been missed. */
export type PromptNews = SocketEvent | { readonly type: 'reconnected' } | { readonly type: 'disconnected' };

/** Events of an instance, for parts of the worker that are made after it. */
export interface InstanceEvents {
  /** Its state has changed. */
  health: [before: InstanceState];
  /** Its rests have changed, or a trial job is due. */
  rests: [];
  /** Its abilities are known. */
  abilities: [];
  /** What it executes and queues was read. */
  queue: [queue: PromptQueue];
  /** Its models and the results of its nodes are dropped. */
  freed: [];
  /** Its queue has become empty. */
  emptied: [];
  /** Its socket broke, so it may have been restarted. */
  disconnected: [];
}

/** The catalogue of an instance for the ledger, and its abilities, which are kept here. */
export interface ReadCatalogue extends PublishedCatalogue {
  /** The same object for the same digest. */
  readonly abilities: Abilities;
}

export type CatalogueReader = (
  client: Pick<ComfyClient, 'nodeClasses' | 'nodeReplacements'>,
  signal: AbortSignal,
) => Promise<ReadCatalogue>;

/** One ComfyUI: its HTTP client, its socket shared by all prompts, and its health. */
export interface Instance {
  /** `<worker>/<n>`, or the name from the settings after the slash. */
  readonly name: string;
  /** The pools whose jobs it takes. */
  readonly pools: readonly string[];
  /** For the restart command only. People see the name, because a loopback URL is another server on every node. */
  readonly url: string;
  readonly events: EventEmitter<InstanceEvents>;
  readonly health: InstanceHealth;
  /** The client id to submit with; see ComfySocket. */
  readonly clientId: string;
  /** Memory of its largest device in bytes; 0 while unknown. */
  readonly vram: number;
  /** Its latest report; undefined while unknown. */
  readonly machine: InstanceMachine | undefined;
  /** Which results it keeps; undefined while unknown. */
  readonly cacheMode: CacheMode | undefined;
  /** Its nodes and models; undefined while unknown. */
  readonly abilities: Abilities | undefined;
  /** Reads its catalogue. If that fails, it throws and the known abilities stay. */
  learn(read: CatalogueReader, signal: AbortSignal): Promise<ReadCatalogue>;
  /** Reads these node classes again, because the known ones may be outdated. Throws like `learn`. */
  learnAgain(classes: readonly string[], signal: AbortSignal): Promise<void>;
  /** Takes these models (`<kind>/<name>`), and no others, out of its abilities: they are about to be deleted. */
  withhold(models: ReadonlySet<string>): void;
  /** How many prompts it executes and queues, ours or not, as its socket reports. */
  readonly prompts: number;
  /** The models it has in memory. */
  readonly models: HeldModels;
  /** For which workflows it pays to encode texts ahead there. */
  readonly encodeAhead: EncodeAhead;
  /** What would let a hostile graph reach other people's files there, see exposuresOf; empty until it has answered. */
  readonly exposures: readonly InstanceExposure[];
  /** The folders of ComfyUI that this worker can access. */
  readonly folders: InstanceFolders;
  /** Subscribes to one prompt until the returned function is called. */
  listen(promptId: string, listener: (news: PromptNews) => void): () => void;
  /**
   * Drops its models and the results of its nodes when the prompt that it executes has ended. If the connection breaks,
   * they count as dropped, because such an instance is being restarted.
   */
  free(signal: AbortSignal): Promise<void>;
  /**
   * Deletes the prompt of a caller's own graph, which may have megabytes, from the history once ten more have ended. The
   * last ten stay, because a claim after a failover of Redis may look for its prompt there.
   */
  forgetLater(promptId: string, signal: AbortSignal): Promise<void>;
  /** Runs a call to the instance and updates its health with the outcome. */
  ask<T>(call: (client: ComfyClient) => Promise<T>): Promise<T>;
  /**
   * Polls it: whether it answers (unless another call did lately), its machine, and what it executes. Updates its
   * health through `ask`.
   */
  probe(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface InstanceOptions {
  readonly name: string;
  readonly baseUrl: string;
  /** Secrets; see ComfyClientOptions. */
  readonly headers: Readonly<Record<string, string>>;
  readonly pools: readonly string[];
  readonly timeoutMs: number;
  readonly folders: InstanceFolders;
  readonly log: Logger;
  readonly limits: RestLimits;
  readonly loadTimes: LoadTimes;
  readonly encodeAhead: EncodeAheadRules;
}

/** An instance that answered within this time is not probed. */
const RECENT_MS = 900;
/** How old the report about its machine may get. */
const MACHINE_MS = 5000;
/** Silence on the socket after which it is pinged. */
const PING_MS = 5000;
/** How many ended prompts of callers' own graphs stay in ComfyUI's history, which would otherwise keep 10,000 in memory. */
const ENDED_KEPT = 10;

export function openInstance({
  name,
  baseUrl,
  headers,
  pools,
  timeoutMs,
  folders,
  log,
  limits,
  loadTimes,
  encodeAhead: rules,
}: InstanceOptions): Instance {
  const events = new EventEmitter<InstanceEvents>();
  const listeners = new Map<string, (news: PromptNews) => void>();
  const ended: string[] = [];
  const client = createComfyClient({ baseUrl, instance: name, headers, timeoutMs });
  let rests = 0;
  const health = new InstanceHealth({
    limits,
    onChange: (_health, before) => {
      const fields = { instance: name, ...(health.reason === null ? {} : { reason: health.reason }) };
      log[isInService(health) ? 'info' : 'warn'](`instance is ${health.state}`, fields);
      events.emit('health', before);
    },
    onRests: () => {
      for (const { scope, until, error } of health.rests) {
        const key = scope.key === undefined ? {} : { key: scope.key };
        const fields = { instance: name, ...key, until: new Date(until).toISOString(), reason: error };
        if (until > Date.now()) log.warn(`instance rests${describeScope(scope)}`, fields);
        else log.info(`instance is due for a trial job${describeScope(scope)}`, fields);
      }
      if (health.rests.length < rests)
        log.info('instance has recovered', { instance: name, rests: health.rests.length });
      rests = health.rests.length;
      events.emit('rests');
    },
  });
  /** As it described them. */
  let described: Abilities | undefined;
  let withheld: ReadonlySet<string> = new Set();
  let abilities: Abilities | undefined;
  let mainModels: ReadonlySet<string> = new Set();
  const models = createHeldModels({
    times: loadTimes,
    isMain: (file) => mainModels.has(file),
  });
  const setAbilities = (what: Abilities) => {
    described = what;
    const offered = withoutModels(what, withheld);
    if (offered !== abilities) mainModels = mainModelsOf(offered);
    abilities = offered;
    events.emit('abilities');
  };
  let cacheMode: CacheMode | undefined;
  const encodeAhead = createEncodeAhead({
    ...rules,
    cacheMode: () => cacheMode,
    availableBytes: () => machine?.ram.free ?? 0,
    hasClass: (className) => abilities === undefined || Object.hasOwn(abilities, className),
  });
  let prompts = 0;
  let foreign: string | undefined;
  /** ComfyUI sends events of a prompt to all sockets only if it was submitted without a client id. */
  let foreignNode: { readonly promptId: string; readonly node: string } | undefined;
  const updateOccupied = (running: readonly string[]) => {
    const before = foreign;
    foreign = running.find((promptId) => !listeners.has(promptId));
    if (foreign === undefined || health.state === 'wedged') return health.open('occupied');
    // A prompt seen only once may belong to a job that is about to be adopted.
    if (foreign !== before && !health.isOccupied) return;
    const node = foreignNode?.promptId === foreign ? `, node ${foreignNode.node}` : '';
    health.close('occupied', `it executes a prompt that belongs to no job of the fleet (${foreign}${node})`);
  };
  const socket: ComfySocket = connectSocket({
    baseUrl,
    instance: name,
    headers,
    timeoutMs,
    pingMs: PING_MS,
    log,
    onEvent: (event) => {
      if (event.type === 'queue') {
        prompts = event.remaining;
        if (prompts === 0) {
          updateOccupied([]);
          events.emit('emptied');
        }
      }
      if (event.type === 'progress_state' && !listeners.has(event.promptId)) {
        const node = event.nodes.find(({ state }) => state === 'running')?.node;
        foreignNode = node === undefined ? undefined : { promptId: event.promptId, node };
      }
      if ('promptId' in event && event.promptId !== undefined) listeners.get(event.promptId)?.(event);
    },
    onState: (open) => {
      if (!open) {
        models.forget();
        encodeAhead.forget();
        prompts = 0;
        health.mayHaveRestarted();
        events.emit('disconnected');
      }
      for (const listener of listeners.values()) listener({ type: open ? 'reconnected' : 'disconnected' });
    },
  });
  let exposures: readonly InstanceExposure[] = [];
  let machine: InstanceMachine | undefined;
  let machineAt = Number.NEGATIVE_INFINITY;
  const instance: Instance = {
    name,
    pools,
    url: baseUrl,
    events,
    health,
    get clientId() {
      return socket.clientId;
    },
    get vram() {
      return machine?.device?.vram.total ?? 0;
    },
    get machine() {
      return machine;
    },
    get cacheMode() {
      return cacheMode;
    },
    get prompts() {
      return prompts;
    },
    models,
    encodeAhead,
    get exposures() {
      return exposures;
    },
    folders,
    get abilities() {
      return abilities;
    },
    learn: async (read, signal) => {
      // Without `ask`: a custom node that cannot describe itself must not close the instance.
      const catalogue = await read(client, signal);
      setAbilities(catalogue.abilities);
      return catalogue;
    },
    learnAgain: async (classes, signal) => {
      const now = await readAbilities(client, classes, signal);
      const others = Object.entries(described ?? {}).filter(([className]) => !classes.includes(className));
      setAbilities({ ...Object.fromEntries(others), ...now });
    },
    withhold: (models) => {
      if (models.size === withheld.size && [...models].every((id) => withheld.has(id))) return;
      withheld = models;
      if (described !== undefined) setAbilities(described);
    },
    listen: (promptId, listener) => {
      listeners.set(promptId, listener);
      return () => {
        // After a lost lock, a later claim of the same job may listen.
        if (listeners.get(promptId) === listener) listeners.delete(promptId);
      };
    },
    free: async (signal) => {
      try {
        await instance.ask((asked) => asked.free({ unloadModels: true, freeMemory: true }, signal));
      } catch (error) {
        if (!(error instanceof FleetError) || error.code !== 'instance_unreachable') throw error;
        log.debug('the memory of the instance could not be freed', { instance: name, error });
      }
      models.forget();
      events.emit('freed');
    },
    forgetLater: async (promptId, signal) => {
      const oldest = ended.push(promptId) > ENDED_KEPT ? ended.shift() : undefined;
      if (oldest !== undefined) await instance.ask((asked) => asked.deleteHistory(oldest, signal));
    },
    ask: async (call) => {
      try {
        const answer = await call(client);
        health.reached();
        return answer;
      } catch (error) {
        if (error instanceof FleetError && isOutage(error)) health.failed(reasonOf(error));
        throw error;
      }
    },
    probe: async (signal) => {
      // The socket may have missed changes of the queue.
      const isQuiet = prompts === 0 && !health.isOccupied;
      const queue = isQuiet ? undefined : await instance.ask((asked) => asked.queue(signal)).catch(() => undefined);
      if (queue !== undefined) {
        prompts = queue.running.length + queue.pending.length;
        updateOccupied(queue.running);
        events.emit('queue', queue);
      }
      const isKnown = instance.vram > 0 && performance.now() - machineAt < MACHINE_MS;
      if (isKnown && health.wasReachedWithin(RECENT_MS)) return;
      const look = instance.ask(async (asked) => {
        const stats = await asked.systemStats(signal);
        exposures = await exposuresOf({ url: baseUrl, version: stats.version, folders });
        // Set before `ask` reports that the instance is up, because both are announced together.
        machine = machineOf(stats);
        cacheMode = stats.cacheMode;
        machineAt = performance.now();
      });
      await look.catch(() => undefined);
    },
    close: async () => {
      await socket.close();
      client.close();
    },
  };
  return instance;
}

function machineOf({ ramTotal, ramFree, devices }: SystemStats): InstanceMachine {
  const [device] = [...devices].sort((a, b) => (b.vramTotal ?? 0) - (a.vramTotal ?? 0));
  return {
    ram: memory(ramTotal, ramFree),
    device:
      device === undefined
        ? null
        : {
            name: device.name,
            type: device.type,
            vram: memory(device.vramTotal, device.vramFree),
            torch: memory(device.torchVramTotal, device.torchVramFree),
          },
  };
}

function memory(total: number | undefined, free: number | undefined) {
  return { total: total ?? null, free: free ?? null };
}

/** A missing file is no fault of the instance. */
function isOutage(error: FleetError): boolean {
  if (error instanceof OutputMissing) return false;
  return error.code === 'instance_unreachable' || error.code === 'comfyui_error';
}

/** For operators: refused credentials come with advice. */
function reasonOf(error: FleetError): string {
  return error instanceof CredentialsRefused ? `${error.detail.slice(0, -1)}: ${error.advice}.` : error.detail;
}
