import { FleetError } from '@comfy-fleet/contracts';
import { InstanceUnreachable } from './errors.js';

interface SystemError {
  readonly code: string;
  readonly syscall: string;
  readonly message: string;
}

function describe(error: unknown): SystemError {
  const read = (value: unknown, key: string): string => {
    const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
    return typeof found === 'string' ? found : '';
  };
  const cause = error instanceof Error ? error.cause : undefined;
  // several addresses for one host name: Node reports each attempt in an AggregateError without a message of its own
  const first = cause instanceof AggregateError ? cause.errors[0] : undefined;
  const any = (key: string) => read(cause, key) || read(error, key) || read(first, key);
  return { code: any('code'), syscall: any('syscall'), message: any('message') };
}

/** The error without axios's request, agent and URL hanging on it: fit for a log. */
function slimCause({ code, message }: SystemError): Error {
  return Object.assign(new Error(message), { code });
}

function phrase({ code }: SystemError): string {
  if (code === 'ECONNREFUSED') return 'refused the connection';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'has a host name that cannot be resolved';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'broke off the connection';
  return code === '' ? 'cannot be reached' : `cannot be reached (${code})`;
}

/**
 * Turns what axios or a socket threw into an error of the catalogue. The detail names the instance, never its address.
 */
export function connectionError(instance: string, error: unknown): FleetError {
  const found = describe(error);
  const cause = slimCause(found);
  if (found.message.startsWith('maxContentLength')) {
    return new FleetError('comfyui_error', `The ComfyUI instance ${instance} answered more than can be taken.`, {
      cause,
    });
  }
  if (found.code.startsWith('HPE_') || found.code === 'ERR_INVALID_PROTOCOL') {
    return new FleetError('comfyui_error', `The ComfyUI instance ${instance} does not speak HTTP.`, { cause });
  }
  // without a connection not a byte of the request has left
  const mayHaveArrived = found.syscall !== 'connect' && found.syscall !== 'getaddrinfo';
  return new InstanceUnreachable(`The ComfyUI instance ${instance} ${phrase(found)}.`, { cause, mayHaveArrived });
}

export function timedOut(instance: string, ms: number): InstanceUnreachable {
  const detail = `The ComfyUI instance ${instance} did not answer within ${ms} ms.`;
  return new InstanceUnreachable(detail, { mayHaveArrived: true });
}
