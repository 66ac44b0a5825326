import { isIP } from 'node:net';
import { type AllowList, hostOf } from './allow-list.js';
import { isWebPort } from './ports.js';
import { isPublicAddress } from './public-address.js';

export interface Target {
  readonly url: URL;
  /** An address or a name, as hostOf spells it. */
  readonly host: string;
  readonly port: number;
}

/** Which targets may be requested although they are not public. */
export interface Policy {
  readonly allow: AllowList;
  /** Of our own services. They win over `allow`. */
  readonly ownPorts: ReadonlySet<number>;
}

/** As long as a webhook's URL may be. */
const MAX_CHARS = 2048;

/**
 * Reads a URL and judges it on its face, without asking DNS: answers where it leads, or what is wrong with it in a
 * sentence. The URL is read as the one who dials reads it, so that 0x7f.1, 2130706433 and fullwidth digits are
 * 127.0.0.1 here already.
 */
export function readTarget(text: string, policy: Policy): Target | string {
  if (text.length > MAX_CHARS) return `The URL is longer than ${MAX_CHARS} characters.`;
  if (!URL.canParse(text)) return 'This is not a URL.';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'The URL must begin with http:// or https://.';
  if (url.username !== '' || url.password !== '') return 'The URL must not carry a user name or password.';
  const host = hostOf(url);
  const port = url.port === '' ? DEFAULT_PORT[url.protocol] : Number(url.port);
  const { allow, ownPorts } = policy;
  if (!isWebPort(port) && !allow.names(host, port)) return `The URL must not name the port ${port}.`;
  const isPrivate = isIP(host) === 0 ? isInternalName(host) || allow.name(host, port) : !isPublicAddress(host);
  if (isIP(host) !== 0) {
    if (isPrivate && !allow.address(host, port)) return 'The address in the URL is not a public one.';
  } else if (isInternalName(host) && !allow.name(host, port) && !allow.anyAddress(port)) {
    return 'The host name in the URL is not a public one.';
  }
  if (isPrivate && ownPorts.has(port)) {
    return `The URL must not name the port ${port} of a private host: services of this fleet use it.`;
  }
  return { url, host, port };
}

/** Whether an address that is not public may be dialled for this target. */
export function isOpen({ allow, ownPorts }: Policy, { host, port }: Pick<Target, 'host' | 'port'>, address: string) {
  return !ownPorts.has(port) && (allow.name(host, port) || allow.address(address, port));
}

const DEFAULT_PORT = { 'http:': 80, 'https:': 443 };

/**
 * Names that public DNS does not have: those without a dot, and those under the domains that networks use within
 * themselves (RFC 6761, 6762 appendix G, 8375; .internal by ICANN's decision of 2024).
 */
export function isInternalName(host: string): boolean {
  return !host.includes('.') || /\.(localhost|local|internal|intranet|private|corp|home|lan|home\.arpa)$/.test(host);
}
