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

/** An API key and its rights. */
export interface Caller extends Pick<ApiKey, 'id' | 'scopes' | 'max_priority' | 'webhook'> {
  /** Patterns of the workflows that it may run; undefined: all. */
  readonly workflows?: readonly string[] | undefined;
  /** Weight of its share of GPU time. */
  readonly weight: number;
  /** Its own limits, and the default ones. An undefined limit means unlimited. */
  readonly limits?: ApiKey['limits'];
  /** Limits of each job. */
  readonly gpuLimits: Partial<GpuLimits>;
  /** Patterns of node classes that the key's own graphs may use besides the reviewed ones; undefined: any. */
  readonly allowNodes?: readonly string[] | undefined;
  readonly denyNodes: readonly string[];
}

/** The caller of every request when no API keys are configured. */
export const anonymousCaller: Caller = {
  id: ANONYMOUS,
  scopes: [...SCOPES],
  weight: 1,
  gpuLimits: {},
  denyNodes: [],
};

export function callerOf(key: ApiKey, defaults: KeyLimits): Caller {
  const { weight = 1, deny_nodes: denyNodes = [], allow_nodes: allowNodes = [] } = key;
  const limits = {
    requests_per_minute: defaults.requestsPerMinute,
    jobs_waiting: defaults.jobsWaiting,
    jobs_running: defaults.jobsRunning,
    upload_bytes_per_day: defaults.uploadBytesPerDay,
    ...key.limits,
  };
  const isAdmin = key.scopes.includes('admin');
  const nodes = { allowNodes: isAdmin ? undefined : allowNodes, denyNodes };
  return { ...key, weight, limits, gpuLimits: readGpuLimits(limits), ...nodes };
}

/** The caller of a route that requires one. Throws if there is none, which is a bug. */
export function knownCaller(caller: Caller | undefined): Caller {
  if (caller === undefined) throw new Error('a route that requires a caller admitted a request without one');
  return caller;
}

export function mayRun({ workflows }: Pick<Caller, 'workflows'>, name: string): boolean {
  return workflows === undefined || matchesAny(name, workflows);
}

/** Throws forbidden for a workflow that the key may not run. Callers' own graphs need a scope instead. */
export function requireMayRun(caller: Pick<Caller, 'workflows'>, { name }: Pick<Workflow, 'name'>): void {
  if (name === GRAPH || mayRun(caller, name)) return;
  throw new FleetError('forbidden', `This API key may not run the workflow ${name}.`);
}

/** Throws forbidden for a key without the scope. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This request needs the scope ${scope}, which this API key does not have.`);
}

/**
 * Who may use a route. A scope: keys with that scope. `public`: everybody. `optional`: everybody, with a valid key or without
 * one. `known`: any valid key. `linked`: keys with the scope `jobs`, and signed URLs. `browsed`: keys with the scope `admin`,
 * also as the password of HTTP Basic. `browsed` is only for read-only routes: browsers send the password with every request
 * to this origin, including those that foreign pages cause.
 */
export type Access = 'public' | Scope | 'linked' | 'known' | 'optional' | 'browsed';

/** What the gate has to know about a route. */
export interface Entrance {
  readonly access: Access;
  /** The key may also be sent as HTTP Basic. */
  readonly basic?: true;
  /** Browsers let pages of any origin open sockets, so the origin is checked although the method is GET. */
  readonly isSocket?: boolean;
}

/** The parts of a request that the gate checks. */
interface Visit {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
}

/** Authenticates callers. */
export interface Gate {
  /** The caller; undefined on public routes, for signed URLs, and when an optional key is absent. Throws unauthorized, forbidden. */
  admit(entrance: Entrance, visit: Visit): Promise<Caller | undefined>;
}

interface GateOptions {
  /** Undefined: every request is from the anonymous caller. */
  readonly keys: { find(key: string): ApiKey | undefined; all(): readonly ApiKey[] } | undefined;
  readonly defaults: KeyLimits;
  readonly urls: UrlSigner;
  /** Anyone who knows the name of an output may see it. */
  readonly publicImages: boolean;
  readonly corsOrigins: readonly string[];
  /** Where browsers reach the API; a proxy may forward a different Host. */
  readonly publicUrl: string | undefined;
}

const PUBLIC_IMAGES = ['/images/', '/files/'];

export function createGate({ keys, defaults, urls, publicImages, corsOrigins, publicUrl }: GateOptions): Gate {
  const publicHost = publicUrl === undefined ? undefined : new URL(publicUrl).host;
  const callers = new WeakMap<ApiKey, Caller>();
  return {
    admit: async (entrance, visit) => {
      const { access, isSocket = false } = entrance;
      const refuseForeign = () => refuseForeignPage(visit, isSocket, { corsOrigins, publicHost });
      if (access === 'public') return undefined;
      if (keys === undefined) {
        refuseForeign();
        return anonymousCaller;
      }
      const sent = keyOf(visit);
      const given = sent ?? basicKeyOf(entrance, visit);
      if (given !== undefined && sent === undefined) refuseForeign();
      if (given === undefined && access === 'linked') {
        if (publicImages && PUBLIC_IMAGES.some((start) => visit.path.startsWith(start))) return undefined;
        if ((await urls.verify(visit.path, visit.query, keys.all())) !== undefined) return undefined;
        if (visit.query.has('signature')) {
          const detail =
            'This link has expired or is incomplete, or its API key was revoked; GET /jobs/:id returns a new one.';
          throw new FleetError('unauthorized', detail);
        }
      }
      if (given === undefined && access === 'optional') return undefined;
      const key = given === undefined ? undefined : keys.find(given);
      if (key === undefined) {
        const asking = 'Send your API key as Authorization: Bearer <key>, or as X-API-Key.';
        const detail = given === undefined ? asking : 'This API key does not exist or was revoked.';
        throw new FleetError('unauthorized', detail);
      }
      if (access !== 'known' && access !== 'optional') requireScope(key, scopeOf(access));
      const caller = callers.get(key) ?? callerOf(key, defaults);
      callers.set(key, caller);
      return caller;
    },
  };
}

/**
 * Browsers let any page post forms anywhere, so without API keys this check alone protects a local API from the pages that its
 * user visits. Browsers send where a request comes from (Fetch Metadata), or at least the origin of the page; other clients
 * send neither.
 */
function refuseForeignPage(
  { method, header }: Visit,
  isSocket: boolean,
  { corsOrigins, publicHost }: Pick<GateOptions, 'corsOrigins'> & { readonly publicHost: string | undefined },
) {
  if ((method === 'GET' || method === 'HEAD') && !isSocket) return;
  const origin = header('origin');
  const site = header('sec-fetch-site');
  const isOwn =
    site === undefined
      ? origin === undefined || isHostOf(origin, header('host')) || isHostOf(origin, publicHost)
      : site === 'same-origin' || site === 'none';
  if (isOwn || corsOrigins.includes('*') || corsOrigins.includes(origin ?? '')) return;
  throw new FleetError('forbidden', 'Pages of other origins may not do that, unless CORS_ORIGINS names them.');
}

/** Whether an origin (RFC 6454) has this host and port. */
function isHostOf(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function keyOf({ header }: Visit): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(header('authorization') ?? '')?.[1];
  return bearer ?? (header('x-api-key')?.trim() || undefined);
}

/** The password of HTTP Basic (RFC 7617). On routes with `basic`, the user name if there is no password. */
function basicKeyOf({ access, basic }: Entrance, { header }: Visit): string | undefined {
  if (access !== 'browsed' && !basic) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header('authorization') ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const [, name = '', password = ''] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  return password || (basic && name) || undefined;
}

/** The scope that a key needs for a route. */
export function scopeOf(access: Exclude<Access, 'public' | 'known' | 'optional'>): Scope {
  if (access === 'linked') return 'jobs';
  return access === 'browsed' ? 'admin' : access;
}

/** Checks the Host header of a request. Returns the error, or undefined when the header is acceptable. */
export type HostCheck = (request: Pick<IncomingMessage, 'httpVersion' | 'rawHeaders'>) => FleetError | undefined;

interface HostCheckOptions {
  /** No API keys are configured. */
  readonly isOpen: boolean;
  /** The address that the API listens on. */
  readonly host: string;
  readonly publicUrl: string | undefined;
}

/** Endings of local names, which cannot be registered as public domains. */
const OWN_ENDINGS = /\.(localhost|local|internal|lan|home\.arpa|svc)$/;

/**
 * Requires exactly one Host (RFC 9112, 3.2). Without API keys it must be a name that only the owner of this machine or network
 * can assign: anybody can point a registered domain here, and a browser would treat pages of that domain as same-origin
 * (DNS rebinding).
 */
export function createHostCheck({ isOpen, host, publicUrl }: HostCheckOptions): HostCheck {
  const publicName = publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
  const isServed = isLoopback(host) ? isLoopback : isOwn;
  return ({ httpVersion, rawHeaders }) => {
    const hosts = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host');
    const [given] = hosts;
    if (hosts.length > 1) return new FleetError('malformed_request', 'The request has more than one Host header.');
    // HTTP/1.0 has no Host header, and browsers do not use HTTP/1.0.
    if (given === undefined && httpVersion === '1.0') return undefined;
    if (given === undefined) return new FleetError('malformed_request', 'The request has no Host header.');
    if (!isOpen) return undefined;
    const name = nameOf(given);
    if (name !== undefined && (name === publicName || isServed(name))) return undefined;
    const detail =
      'Without API keys, requests must use a name of this machine, so that foreign pages cannot reach the API through a ' +
      'domain of their own. Set PUBLIC_URL to the address of this API, or set API_KEYS_FILE.';
    return new FleetError('wrong_host', detail);
  };
}

/** The host name without the port, in lower case; undefined if it is not valid. */
function nameOf(host: string): string | undefined {
  if (!/^[^\s/?#@\\]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || /^\[?::1\]?$/.test(name) || /^127(\.\d{1,3}){3}$/.test(name)
  );
}

/** Whether this is an IP address, a name without a dot (a machine or container), or a local name. */
function isOwn(name: string): boolean {
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || !name.includes('.') || OWN_ENDINGS.test(name);
}
