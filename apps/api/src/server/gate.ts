import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { KeyLimits } from '@comfy-fleet/config';
import { type ApiKey, FleetError, type Scope } from '@comfy-fleet/contracts';
import type { UrlSigner } from '@comfy-fleet/jobs';
import { anonymousCaller, type Caller, callerOf, requireScope } from './caller.js';

/**
 * Who may ask for a route: `public` anybody, `jobs` and `admin` a key with that scope, `linked` a key with the scope
 * `jobs`, or anybody who has a signed URL of it; `known` any key; `optional` anybody, with any key or none; `browsed` a key with the scope `admin`, which a browser may ask for and
 * send as the password of HTTP Basic. Only for what changes nothing: browsers send it along wherever a page leads them.
 */
export type Access = 'public' | Scope | 'linked' | 'known' | 'optional' | 'browsed';

/** What the gate looks at. */
interface Visit {
  readonly method: string;
  readonly path: string;
  query(): URLSearchParams;
  header(name: string): string | undefined;
  /** Whether the key may come as HTTP Basic, as for `browsed`, but also as its name. */
  readonly takesBasic: boolean;
  /** Whether a socket is to be opened, which pages may do anywhere. */
  readonly isSocket?: true;
}

/** Lets callers in by their keys. */
export interface Gate {
  /**
   * The caller, or undefined where nobody is asked (a public route, a signed URL) or none is needed (an optional key). Throws `unauthorized` and
   * `forbidden`.
   */
  admit(access: Access, visit: Visit): Promise<Caller | undefined>;
}

/** How a gate knows keys. */
export interface KeyRing {
  find(key: string): ApiKey | undefined;
  all(): readonly ApiKey[];
}

export interface GateOptions {
  /** Undefined: everybody is the anonymous caller. */
  readonly keys: KeyRing | undefined;
  readonly defaults: KeyLimits;
  readonly urls: UrlSigner;
  /** Outputs are shown to anybody who knows their name. */
  readonly publicImages: boolean;
  /** Origins whose pages may call; `['*']`: all. */
  readonly corsOrigins: readonly string[];
  /** Under which browsers reach the API, whatever Host a proxy sends on. */
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
          throw unauthorized(
            'This link has expired, is not whole, or its API key was revoked; GET /jobs/:id gives a new one.',
          );
        }
      }
      if (given === undefined && access === 'optional') return undefined;
      if (given === undefined) throw unauthorized('Send your API key as Authorization: Bearer <key>, or as X-API-Key.');
      const key = keys.find(given);
      if (key === undefined) throw unauthorized('There is no such API key, or no longer.');
      if (access !== 'known' && access !== 'optional') requireScope(key, scopeOf(access));
      return callerOf(key, defaults);
    },
  };
}

/**
 * Without keys nothing else stands between the API on somebody's machine and the pages they look at: browsers let any
 * page send a POST without a body, or a form, anywhere. They say where it comes from (Fetch Metadata), or at least of
 * which origin the page is, as to plain http addresses of a network; programs say neither.
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

/** The key that a request brings; undefined when it brings none. */
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

/** What a key needs for it. */
export function scopeOf(access: Exclude<Access, 'public' | 'known' | 'optional'>): Scope {
  if (access === 'linked') return 'jobs';
  return access === 'browsed' ? 'admin' : access;
}

function unauthorized(detail: string): FleetError {
  return new FleetError('unauthorized', detail);
}

/** What is wrong with the Host of a request, or undefined. */
export type HostCheck = (request: Pick<IncomingMessage, 'httpVersion' | 'rawHeaders'>) => FleetError | undefined;

export interface HostCheckOptions {
  /** Nobody is asked who they are. */
  readonly isOpen: boolean;
  /** That it listens on. */
  readonly host: string;
  readonly publicUrl: string | undefined;
}

/** Endings of names that nobody can register: of this machine, or of the network that it is in. */
const OWN_ENDINGS = /\.(localhost|local|internal|lan|home\.arpa|svc)$/;

/**
 * A request has one Host (RFC 9112, 3.2). Without keys it must be one that only the owner of this machine or network can
 * give it: a name that a stranger registered can be made to lead here, and the stranger's page in a browser on this
 * machine would then be a page of this API (DNS rebinding). An API that listens on loopback is reached under that alone.
 */
export function createHostCheck({ isOpen, host, publicUrl }: HostCheckOptions): HostCheck {
  const publicName = publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
  const isServed = isLoopback(host) ? isLoopback : isOwn;
  return ({ httpVersion, rawHeaders }) => {
    let hosts = 0;
    let given = '';
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (rawHeaders[at]?.length !== 'host'.length || rawHeaders[at]?.toLowerCase() !== 'host') continue;
      hosts += 1;
      given = rawHeaders[at + 1] ?? '';
    }
    if (hosts > 1) return new FleetError('malformed_request', 'The request has more than one Host header.');
    if (hosts === 0) {
      // HTTP/1.0 had none, and no browser speaks it.
      const isOld = httpVersion === '1.0';
      return isOld ? undefined : new FleetError('malformed_request', 'The request has no Host header.');
    }
    if (!isOpen) return undefined;
    const name = nameOf(given);
    if (name !== undefined && (name === publicName || isServed(name))) return undefined;
    const detail =
      'Without API keys only the names of this machine are served, so that no page from elsewhere gets in under a name ' +
      'of its own. Set PUBLIC_URL to the address under which this API is to be reached, or API_KEYS_FILE.';
    return new FleetError('wrong_host', detail);
  };
}

/** Without the port, in lower case; undefined for what is no host. */
function nameOf(host: string): string | undefined {
  if (!/^[^\s/?#@\\]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || /^\[?::1\]?$/.test(name) || /^127(\.\d{1,3}){3}$/.test(name)
  );
}

/** An address, which no name leads elsewhere; a name without a dot, as of a machine or a container; or one of those endings. */
function isOwn(name: string): boolean {
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || !name.includes('.') || OWN_ENDINGS.test(name);
}
