import { FleetError } from '@comfy-fleet/contracts';
import { errors } from 'undici';
import { AnswerTooLarge, InstanceUnreachable } from './errors.js';

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
  // several addresses for one host name: Node reports each attempt in an AggregateError without a message of its own
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  const any = (key: string) => read(error, key) || read(first, key);
  return { code: any('code'), syscall: any('syscall'), message: any('message') };
}

/** The error without what undici and Node hang on it: fit for a log. */
function slimCause({ code, message }: SystemError): Error {
  return Object.assign(new Error(message), { code });
}

const BROKEN_OFF = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);

function phrase({ code, message }: SystemError): string {
  if (code === 'ECONNREFUSED') return 'refused the connection';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'has a host name that cannot be resolved';
  if (BROKEN_OFF.has(code) || isCutShort(message)) return 'broke off the connection';
  return code === '' ? 'cannot be reached' : `cannot be reached (${code})`;
}

/** An answer in chunks ended without its last one: for undici a fault in HTTP without a code. */
const isCutShort = (message: string): boolean => message.includes('Invalid EOF state');

function isHttp(error: unknown): boolean {
  if (error instanceof errors.HeadersOverflowError) return false;
  return !(error instanceof errors.HTTPParserError) || isCutShort(error.message);
}

/**
 * Turns what undici or a socket threw into an error of the catalogue. The detail names the instance, never its address.
 */
export function connectionError(instance: string, error: unknown): FleetError {
  const found = describe(error);
  const cause = slimCause(found);
  if (error instanceof errors.ResponseExceededMaxSizeError) return new AnswerTooLarge(instance, cause);
  if (!isHttp(error)) {
    return new FleetError('comfyui_error', `The ComfyUI instance ${instance} does not speak HTTP.`, { cause });
  }
  // without a connection not a byte of the request has left
  const isConnected = found.syscall !== 'connect' && found.syscall !== 'getaddrinfo';
  const mayHaveArrived = isConnected && found.code !== 'UND_ERR_CONNECT_TIMEOUT';
  return new InstanceUnreachable(`The ComfyUI instance ${instance} ${phrase(found)}.`, { cause, mayHaveArrived });
}

export function timedOut(instance: string, ms: number): InstanceUnreachable {
  const detail = `The ComfyUI instance ${instance} did not answer within ${ms} ms.`;
  return new InstanceUnreachable(detail, { mayHaveArrived: true });
}

export function tooSlow(instance: string): InstanceUnreachable {
  const detail = `The ComfyUI instance ${instance} sent or took its data too slowly (less than 128 KiB per second).`;
  return new InstanceUnreachable(detail, { mayHaveArrived: true });
}
