import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Targets that an operator allows although they are not public. */
export interface AllowList {
  /** Whether the host name is allowed, whatever address it has; with any port if none is given. */
  name(host: string, port?: number): boolean;
  address(address: string, port: number): boolean;
  /** Whether the list names exactly this port, which also allows ports that are otherwise refused. */
  names(host: string, port: number): boolean;
  /** Whether addresses with this port are allowed, to which an internal name could resolve. */
  anyAddress(port: number): boolean;
}

interface Entry {
  /** A name, or a range of addresses. */
  readonly target: string | ReturnType<typeof ipaddr.parseCIDR>;
  /** Undefined: any port. */
  readonly port: number | undefined;
}

/**
 * Reads hosts, addresses and CIDR blocks, each with or without `:port` (IPv6 then in brackets). Throws an Error that
 * names the first invalid entry.
 */
export function createAllowList(texts: readonly string[]): AllowList {
  const entries = texts.map(readEntry);
  const fits = (entry: Entry, port: number | undefined) =>
    port === undefined || entry.port === undefined || entry.port === port;
  const covers = ({ target }: Entry, host: string) =>
    typeof target === 'string' ? target === host : isIP(host) !== 0 && within(host, target);
  return {
    name: (host, port) => entries.some((entry) => entry.target === host && fits(entry, port)),
    address: (address, port) => entries.some((entry) => fits(entry, port) && covers(entry, address)),
    names: (host, port) => entries.some((entry) => entry.port === port && covers(entry, host)),
    anyAddress: (port) => entries.some((entry) => typeof entry.target !== 'string' && fits(entry, port)),
  };
}

function within(text: string, range: ReturnType<typeof ipaddr.parseCIDR>): boolean {
  const address = ipaddr.process(text);
  return address.kind() === range[0].kind() && address.match(range);
}

function readEntry(text: string): Entry {
  // An IPv6 address without brackets is all colons and has no port.
  const whole = isIP(text) === 6 || ipaddr.IPv6.isValidCIDR(text);
  const parts = whole ? null : /^(.+?)(?::(\d{1,5}))?$/.exec(text);
  const target = readTarget((parts?.[1] ?? text).replace(/^\[(.*)\]$/, '$1'));
  const port = parts?.[2] === undefined ? undefined : Number(parts[2]);
  if (target !== undefined && (port === undefined || (port >= 1 && port <= 65_535))) return { target, port };
  throw new Error(`"${text}" is not a host, address or CIDR block, with or without a port.`);
}

function readTarget(text: string): Entry['target'] | undefined {
  const version = isIP(text);
  if (version !== 0) return ipaddr.parseCIDR(`${text}/${version === 4 ? 32 : 128}`);
  if (text.includes('/')) return ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined;
  // Normalised as in URLs, and without characters that a URL would read as a path, a port or a user.
  if (/[\s/\\:@?#%[\]]/.test(text) || !URL.canParse(`http://${text}/`)) return undefined;
  const host = hostOf(new URL(`http://${text}/`));
  return isIP(host) === 0 ? host : undefined;
}

/** The normalised host of a URL: without the brackets of IPv6 and without trailing dots. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '');
}
