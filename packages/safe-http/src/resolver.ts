import type { LookupAddress } from 'node:dns';
import { Resolver as Dns, lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import type { AllowList } from './allow-list.js';
import { notAllowed } from './exchange.js';
import { isInternalName } from './read-target.js';

/** Answers the addresses of a host name. Throws the DNS error when there are none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/** A silent nameserver must not use up a request's whole time. */
const DNS_QUESTION = { timeout: 2_000, tries: 2 };

/**
 * Resolves public names with DNS directly: the system's lookup occupies one of libuv's few threads until the answer, so
 * a handful of silent nameservers would block everybody's requests. The system's lookup is only used for names that the
 * hosts file or a search domain may have: those that the operator allowed by name, and internal ones. `newDns` creates
 * the resolver for each name, because the system's nameservers change.
 */
export function createResolver(allow: AllowList, newDns = () => new Dns(DNS_QUESTION)): Resolver {
  return async (host) => {
    if (!allow.name(host) && !isInternalName(host)) return askDns(newDns(), host);
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  };
}

/** Queries both kinds of addresses; one is enough if the other query gets no answer. */
async function askDns(dns: Dns, host: string): Promise<readonly string[]> {
  const [v4, v6] = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
  const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
  return found;
}

/**
 * A lookup for a socket: the socket dials the returned address, so nothing can change between check and dial. It
 * refuses (url_not_allowed) if any address of the name is refused, because a mix of public and private addresses is an
 * attack or a mistake.
 */
export function guardedLookup(resolve: Resolver, mayDial: (address: string) => boolean): LookupFunction {
  const find = async (host: string): Promise<LookupAddress[]> => {
    const addresses = await resolve(host.replace(/\.+$/, ''));
    if (addresses.length === 0) throw Object.assign(new Error('no address'), { syscall: 'query', code: 'ENODATA' });
    if (!addresses.every(mayDial)) throw notAllowed('The host of the URL has an address that is not a public one.');
    return addresses.map((address) => ({ address, family: isIP(address) }));
  };
  return (host, options, done) => {
    find(host).then(
      (found) => (options.all === true ? done(null, found) : done(null, found[0]?.address ?? '', found[0]?.family)),
      (error: NodeJS.ErrnoException) => done(error, ''),
    );
  };
}
