import { Resolver as Dns, lookup } from 'node:dns/promises';
import type { AllowList } from './allow-list.js';
import { isInternalName } from './read-target.js';

/** The addresses of a host name. Throws what DNS says when there are none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/** One nameserver that is silent must not use up a whole request's time. */
const DNS_QUESTION = { timeout: 2_000, tries: 2 };

/**
 * Asks DNS itself for public names. The system's own lookup holds one of libuv's few threads until the answer comes, so
 * a handful of names whose nameservers are silent would stop everybody's requests; it is left for names that only the
 * hosts file or a search domain may know: those that the operator allowed by name, and internal ones. `newDns` makes
 * what asks, for one name: it reads the system's nameservers, which change.
 */
export function createResolver(allow: AllowList, newDns = () => new Dns(DNS_QUESTION)): Resolver {
  return async (host) => {
    if (!allow.name(host) && !isInternalName(host)) return askDns(newDns(), host);
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  };
}

/** Both kinds of address; one of them is enough when the other question gets no answer. */
async function askDns(dns: Dns, host: string): Promise<readonly string[]> {
  const [v4, v6] = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
  const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
  return found;
}
