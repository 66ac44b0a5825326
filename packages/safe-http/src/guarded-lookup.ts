import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { notAllowed } from './failures.js';
import type { Resolver } from './resolver.js';

/**
 * A lookup for a socket: what it answers is what is dialled, so nothing can change between check and dial. It refuses
 * (url_not_allowed) as soon as one of a name's addresses is refused: an answer that mixes public and private ones is an
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
