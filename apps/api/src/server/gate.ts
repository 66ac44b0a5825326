import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { KeyLimits } from '@comfy-fleet/config';
import {
  ANONYMOUS,
  type ApiKey,
  FleetError,
  type GpuLimits,
  matchesAny,
  readGpuLimits,
  SCOPES,
  type Scope,
} from '@comfy-fleet/contracts';
import type { UrlSigner } from '@comfy-fleet/jobs';
import { GRAPH, type Workflow } from '@comfy-fleet/workflows';

/** An API key and its rights. Undefined limits are none. */
export interface Caller {
  readonly id: string;
  readonly scopes: readonly Scope[];
  readonly limits?: KeyLimits | undefined;
  /** Of its share of GPU time. */
  readonly weight: number;
  readonly maxPriority?: number | undefined;
  readonly gpuSecondsPerDay?: number | undefined;
  /** Of one job. */
  readonly gpuLimits: Partial<GpuLimits>;
  readonly maxGpuSeconds?: number | undefined;
  /** Patterns of the workflows that it may run; undefined: all. */
  readonly workflows?: readonly string[] | undefined;
  /** Patterns of node classes that its own graphs may have besides the reviewed ones; undefined: any. */
  readonly allowNodes?: readonly string[] | undefined;
  readonly denyNodes: readonly string[];
  /** ComfyUI's API shows the prompts of each client as ended in the order in which they were sent. */
  readonly inOrder: boolean;
  /** For jobs that name none. */
  readonly webhook?: ApiKey['webhook'];
}

/** The caller of every request while there are no keys. */
export const anonymousCaller: Caller = {
  id: ANONYMOUS,
  scopes: SCOPES,
  weight: 1,
  gpuLimits: {},
  denyNodes: [],
  inOrder: false,
};

export function callerOf(key: ApiKey, defaults: KeyLimits): Caller {
  const { limits = {} } = key;
  return {
    id: key.id,
    scopes: key.scopes,
    limits: {
      requestsPerMinute: limits.requests_per_minute ?? defaults.requestsPerMinute,
      jobsWaiting: limits.jobs_waiting ?? defaults.jobsWaiting,
      jobsReserved: defaults.jobsReserved,
      jobsRunning: limits.jobs_running ?? defaults.jobsRunning,
      uploadBytesPerDay: limits.upload_bytes_per_day ?? defaults.uploadBytesPerDay,
    },
    weight: key.weight ?? 1,
    maxPriority: key.max_priority,
    gpuSecondsPerDay: limits.max_gpu_seconds_per_day,
    gpuLimits: readGpuLimits(limits),
    maxGpuSeconds: limits.max_gpu_seconds,
    workflows: key.workflows,
    allowNodes: key.scopes.includes('admin') ? undefined : (key.allow_nodes ?? []),
    denyNodes: key.deny_nodes ?? [],
    inOrder: key.in_order ?? false,
    webhook: key.webhook,
  };
}

/** The caller of a route that requires one. */
export function knownCaller(caller: Caller | undefined): Caller {
  if (caller === undefined) throw new Error('a route that needs a caller let somebody in without one');
  return caller;
}

export function mayRun({ workflows }: Pick<Caller, 'workflows'>, name: string): boolean {
  return workflows === undefined || matchesAny(name, workflows);
}

/** Throws forbidden. Graphs of a key's own need a scope instead. */
export function requireMayRun(caller: Pick<Caller, 'workflows'>, { name }: Pick<Workflow, 'name'>): void {
  if (name === GRAPH || mayRun(caller, name)) return;
  throw new FleetError('forbidden', `This API key may not run the workflow ${name}.`);
}

/** Throws forbidden. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This API key does not have the scope ${scope}, which this needs.`);
}

/**
 * Who may use a route. A scope: keys that have it. `public`: everybody. `optional`: everybody, with a valid key or none.
 * `known`: any key. `linked`: keys with the scope `jobs`, and signed URLs. `browsed`: keys with the scope `admin`, also as the
 * password of HTTP Basic; only for routes that change nothing, since browsers send that wherever a page leads them.
 */
export type Access = 'public' | Scope | 'linked' | 'known' | 'optional' | 'browsed';

/** What the gate checks. */
interface Visit {
  readonly method: string;
  readonly path: string;
  query(): URLSearchParams;
  header(name: string): string | undefined;
  /** The key may come as HTTP Basic: as the password, or as the name. */
  readonly takesBasic: boolean;
  /** Pages of any origin may open sockets. */
  readonly isSocket?: true;
}

/** Authenticates callers. */
export interface Gate {
  /** The caller; undefined on public routes, for signed URLs, and without an optional key. Throws `unauthorized` and `forbidden`. */
  admit(access: Access, visit: Visit): Promise<Caller | undefined>;
}

interface GateOptions {
  /** Undefined: everybody is the anonymous caller. */
  readonly keys: { find(key: string): ApiKey | undefined; all(): readonly ApiKey[] } | undefined;
  readonly defaults: KeyLimits;
  readonly urls: UrlSigner;
  /** Outputs are shown to everybody who knows their name. */
  readonly publicImages: boolean;
  readonly corsOrigins: readonly string[];
  /** Where browsers reach the API, whatever Host a proxy sends on. */
  readonly publicUrl: string | undefined;
}

const PUBLIC_IMAGES = ['/images/', '/files/'];

export function createGate({ keys, defaults, urls, publicImages, corsOrigins, publicUrl }: GateOptions): Gate {
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host;
  return {
    admit: async (access, visit) => {
      if (access === 'public') return undefined;
      if (keys === undefined) {
        refuseForeignPage(visit, corsOrigins, publicHost);
        return anonymousCaller;
      }
      const sent = keyOf(visit);
      const given = sent ?? basicKeyOf(access, visit);
      if (given !== undefined && sent === undefined) refuseForeignPage(visit, corsOrigins, publicHost);
      if (given === undefined && access === 'linked') {
        if (publicImages && PUBLIC_IMAGES.some((start) => visit.path.startsWith(start))) return undefined;
        const query = visit.query();
        if (await urls.verify(visit.path, query, keys.all())) return undefined;
        if (query.has('signature')) {
          const detail =
            'This link has expired, is not whole, or its API key was revoked; GET /jobs/:id gives a new one.';
          throw new FleetError('unauthorized', detail);
        }
      }
      if (given === undefined && access === 'optional') return undefined;
      const key = given === undefined ? undefined : keys.find(given);
      if (key === undefined) {
        const asking = 'Send your API key as Authorization: Bearer <key>, or as X-API-Key.';
        const detail = given === undefined ? asking : 'There is no such API key, or no longer.';
        throw new FleetError('unauthorized', detail);
      }
      if (access !== 'known' && access !== 'optional') requireScope(key, scopeOf(access));
      return callerOf(key, defaults);
    },
  };
}

/**
 * Without keys nothing else protects the API on somebody's machine from the pages they visit: browsers let any page post forms
 * anywhere. Browsers send where a request comes from (Fetch Metadata), or at least the origin of the page; programs send
 * neither.
 */
function refuseForeignPage(
  { method, header, isSocket }: Visit,
  corsOrigins: readonly string[],
  publicHost: string | undefined,
) {
  if ((method === 'GET' || method === 'HEAD') && isSocket !== true) return;
  const origin = header('origin');
  const site = header('sec-fetch-site');
  const isOwn =
    site === undefined
      ? origin === undefined || isHostOf(origin, header('host')) || isHostOf(origin, publicHost)
      : site === 'same-origin' || site === 'none';
  if (isOwn || corsOrigins.includes('*') || corsOrigins.includes(origin ?? '')) return;
  throw new FleetError('forbidden', 'Pages of other origins may not do that, unless CORS_ORIGINS names them.');
}

/** Whether an origin (RFC 6454) is of this host and port. */
function isHostOf(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function keyOf({ header }: Visit): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(header('authorization') ?? '')?.[1];
  return bearer ?? (header('x-api-key')?.trim() || undefined);
}

/** The password of HTTP Basic (RFC 7617), or, except for browsers, the name of one without a password. */
function basicKeyOf(access: Access, { header, takesBasic }: Visit): string | undefined {
  if (access !== 'browsed' && !takesBasic) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header('authorization') ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const [, name = '', password = ''] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  return password || (takesBasic && name) || undefined;
}

/** The scope that a key needs. */
export function scopeOf(access: Exclude<Access, 'public' | 'known' | 'optional'>): Scope {
  if (access === 'linked') return 'jobs';
  return access === 'browsed' ? 'admin' : access;
}

/** The error about the Host of a request; undefined when there is none. */
export type HostCheck = (request: Pick<IncomingMessage, 'httpVersion' | 'rawHeaders'>) => FleetError | undefined;

interface HostCheckOptions {
  /** There are no API keys. */
  readonly isOpen: boolean;
  /** The address that the API listens on. */
  readonly host: string;
  readonly publicUrl: string | undefined;
}

/** Names of this machine or its network. They cannot be registered as public domains. */
const OWN_ENDINGS = /\.(localhost|local|internal|lan|home\.arpa|svc)$/;

/**
 * A request has one Host (RFC 9112, 3.2). Without keys it must be a name that only the owner of this machine or network can
 * assign: a registered name can point here, and its page in a browser of this machine would count as ours (DNS rebinding).
 */
export function createHostCheck({ isOpen, host, publicUrl }: HostCheckOptions): HostCheck {
  const publicName = publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
  const isServed = isLoopback(host) ? isLoopback : isOwn;
  return ({ httpVersion, rawHeaders }) => {
    const hosts = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host');
    const [given] = hosts;
    if (hosts.length > 1) return new FleetError('malformed_request', 'The request has more than one Host header.');
    // HTTP/1.0 had none, and no browser speaks it.
    if (given === undefined && httpVersion === '1.0') return undefined;
    if (given === undefined) return new FleetError('malformed_request', 'The request has no Host header.');
    if (!isOpen) return undefined;
    const name = nameOf(given);
    if (name !== undefined && (name === publicName || isServed(name))) return undefined;
    const detail =
      'Without API keys only the names of this machine are served, so that no page from elsewhere gets in under a name ' +
      'of its own. Set PUBLIC_URL to the address under which this API is to be reached, or API_KEYS_FILE.';
    return new FleetError('wrong_host', detail);
  };
}

/** Without the port, in lower case; undefined when it is no host. */
function nameOf(host: string): string | undefined {
  if (!/^[^\s/?#@\\]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || /^\[?::1\]?$/.test(name) || /^127(\.\d{1,3}){3}$/.test(name)
  );
}

/** An address, a name without a dot (of a machine or a container), or a name with one of those endings. */
function isOwn(name: string): boolean {
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || !name.includes('.') || OWN_ENDINGS.test(name);
}
