import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type AllowList, hostOf } from './allow-list.js';

export interface Target {
  readonly url: URL;
  /** An address or a name, normalised by hostOf. */
  readonly host: string;
  readonly port: number;
}

/** The targets that may be requested although they are not public. */
export interface Policy {
  readonly allow: AllowList;
  /** Ports of our own services. They take precedence over `allow`. */
  readonly ownPorts: ReadonlySet<number>;
}

/** As for the URL of a webhook. */
const MAX_CHARS = 2048;

/**
 * Parses a URL and checks it without DNS: answers its target, or a sentence that explains why it is refused. The URL is
 * parsed as for dialling, so 0x7f.1, 2130706433 and fullwidth digits are already 127.0.0.1 here.
 */
export function readTarget(text: string, policy: Policy, maxChars = MAX_CHARS): Target | string {
  if (text.length > maxChars) return `The URL is longer than ${maxChars} characters.`;
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
 * Whether public DNS cannot have the name: it has no dot, or is in a domain for private networks (RFC 6761, 6762
 * appendix G, 8375; .internal by ICANN's decision of 2024).
 */
export function isInternalName(host: string): boolean {
  return !host.includes('.') || /\.(localhost|local|internal|intranet|private|corp|home|lan|home\.arpa)$/.test(host);
}

/** 2000::/3 is the only allocated part of IPv6 (RFC 4291, 2.4); it excludes ::7f00:1 and other legacy forms. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');
/** Looks public, but the host of every Azure virtual machine answers it, also with credentials. */
const AZURE_HOST = '168.63.129.16';

/**
 * Whether the address belongs to the public internet. Loopback, private, link-local (including the clouds' metadata),
 * CGNAT, multicast, documentation, and every IPv6 form of such an IPv4 address do not, and neither does an invalid
 * address.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv6' ? address.match(GLOBAL_UNICAST) : address.toString() !== AZURE_HOST;
}

/**
 * Ports of protocols other than HTTP, refused even on public hosts: those that browsers refuse (the Fetch standard,
 * "port blocking"), and those of databases, brokers and remote desktops.
 */
const OTHER_PROTOCOLS = new Set([
  ...[1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109],
  ...[110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526],
  ...[530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045],
  ...[4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080],
  ...[1433, 1521, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 9092, 11_211, 27_017],
]);

/** Whether a URL may use this port. */
function isWebPort(port: number): boolean {
  return port >= 1 && port <= 65_535 && !OTHER_PROTOCOLS.has(port);
}
