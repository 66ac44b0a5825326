import ipaddr from 'ipaddr.js';

/** 2000::/3, the only part of IPv6 that is given out (RFC 4291, 2.4): ::7f00:1 and other relics lie outside of it. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');
/** Looks public and is answered by the host under every virtual machine of Azure, with credentials among other things. */
const AZURE_HOST = '168.63.129.16';

/**
 * Whether the address is one of the open internet. Everything else (loopback, private, link-local and with it the
 * clouds' metadata, CGNAT, multicast, documentation, and every form that hides an IPv4 address in an IPv6 one) is not,
 * and neither is a text that is no address.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv6' ? address.match(GLOBAL_UNICAST) : address.toString() !== AZURE_HOST;
}
