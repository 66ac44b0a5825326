import { FleetError } from '@comfy-fleet/contracts';

export function notAllowed(detail: string): FleetError {
  return new FleetError('url_not_allowed', detail);
}

export function unreachable(detail: string, cause?: unknown): FleetError {
  return new FleetError('url_unreachable', detail, { cause });
}

/**
 * Turns what axios or a socket threw into an error of the catalogue. Its detail is for whoever supplied the URL, so it
 * never has what Node's messages have: addresses.
 */
export function failureOf(error: unknown): FleetError {
  const chain = [...causes(error)];
  const ours = chain.find((link) => link instanceof FleetError);
  if (ours !== undefined) return ours;
  const read = (key: 'code' | 'syscall' | 'message') =>
    chain
      .map((link) => (link as Error & { code?: unknown; syscall?: unknown })[key])
      .find((value) => typeof value === 'string') as string | undefined;
  const code = read('code') ?? '';
  // without axios's request and agent hanging on it: fit for a log
  const cause = Object.assign(new Error(read('message') ?? ''), { code });
  return unreachable(phrase(code, read('syscall') ?? ''), cause);
}

function* causes(error: unknown): Generator<Error> {
  for (let link = error; link instanceof Error; link = link.cause) yield link;
}

function phrase(code: string, syscall: string): string {
  if (/^(query|getaddrinfo)/.test(syscall)) return 'The host name of the URL cannot be resolved.';
  if (code === 'ECONNREFUSED') return 'The host of the URL refuses the connection.';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'The host of the URL broke off the connection.';
  if (code === 'HPE_HEADER_OVERFLOW') return 'The host of the URL sends more headers than can be taken.';
  if (code.startsWith('HPE_')) return 'The host of the URL does not speak HTTP.';
  if (/CERT|ISSUER|VERIFY/.test(code))
    return `The host of the URL has no TLS certificate that can be trusted (${code}).`;
  if (/^EPROTO|SSL|TLS/.test(code)) return `The host of the URL cannot be spoken to with TLS (${code}).`;
  return `The host of the URL cannot be reached${code === '' ? '' : ` (${code})`}.`;
}
