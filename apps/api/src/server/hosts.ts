import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { FleetError } from '@comfy-fleet/contracts';

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
