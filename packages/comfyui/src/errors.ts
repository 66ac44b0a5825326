import { type ErrorCode, FleetError, type FleetErrorOptions } from '@comfy-fleet/contracts';
import { cut } from '@comfy-fleet/workflows';
import { errors } from 'undici';

/** The instance could not be reached, or it fell silent. `mayHaveArrived`: it may have received the request. */
export class InstanceUnreachable extends FleetError {
  readonly mayHaveArrived: boolean;

  constructor(detail: string, options: FleetErrorOptions & { mayHaveArrived: boolean }) {
    super('instance_unreachable', detail, options);
    this.name = 'InstanceUnreachable';
    this.mayHaveArrived = options.mayHaveArrived;
  }

  /** Nothing listens at its port. */
  get isRefused(): boolean {
    return this.cause instanceof Error && 'code' in this.cause && this.cause.code === 'ECONNREFUSED';
  }
}

/**
 * The instance, or a proxy in front of it, answered 401 or 403: it is useless until its headers are corrected. Treated
 * as unreachable, because no job is at fault and the request did not get through.
 */
export class CredentialsRefused extends InstanceUnreachable {
  /** What operators should do, as a clause. */
  readonly advice: string;

  constructor(instance: string, status: number, hasHeaders: boolean) {
    const { refusal, advice } = describeRefusal(instance, status, hasHeaders);
    super(`The ComfyUI instance ${instance} ${refusal}.`, { mayHaveArrived: false });
    this.name = 'CredentialsRefused';
    this.advice = advice;
  }
}

/** What a 401 or 403 means, with or without headers of the instance, and what to do about it, as two clauses. */
export function describeRefusal(instance: string, status: number, hasHeaders: boolean) {
  if (hasHeaders) {
    return {
      refusal: `refused our credentials (${status})`,
      advice: `check headers of ${instance} in COMFYUI_INSTANCES_FILE`,
    };
  }
  return {
    refusal: status === 401 ? 'asks for credentials (401)' : `does not let us in (${status})`,
    advice: `give ${instance} headers in COMFYUI_INSTANCES_FILE`,
  };
}

/** Whether the status means that our credentials were refused. */
export const isRefusal = (status: number): boolean => status === 401 || status === 403;

/**
 * It is unknown whether ComfyUI accepted the prompt: the connection broke, time ran out, or it answered 5xx, which is
 * possible even with the prompt in its queue. Look with `find` before submitting again, because the same prompt id
 * twice runs twice.
 */
export class SubmissionUnknown extends FleetError {
  readonly outcomeUnknown = true;

  constructor(code: Extract<ErrorCode, 'instance_unreachable' | 'comfyui_error'>, detail: string, cause: unknown) {
    super(code, detail, { cause });
    this.name = 'SubmissionUnknown';
  }
}

/** An answer is larger than we accept. */
export class AnswerTooLarge extends FleetError {
  constructor(instance: string, cause: unknown) {
    super('comfyui_error', `The ComfyUI instance ${instance} answered more than can be taken.`, { cause });
    this.name = 'AnswerTooLarge';
  }
}

/**
 * ComfyUI no longer has a file of its history: it was deleted on its disk, or it was a temporary file before a restart.
 * An identical graph "succeeds" from the cache and names the missing file again, until `free({ freeMemory: true })`.
 */
export class OutputMissing extends FleetError {
  constructor(detail: string) {
    super('comfyui_error', detail);
    this.name = 'OutputMissing';
  }
}

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
  // For a host with several addresses, Node reports the attempts in an AggregateError without a message.
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  const any = (key: string) => read(error, key) || read(first, key);
  return { code: any('code'), syscall: any('syscall'), message: any('message') };
}

/** The error reduced to what fits into a log. */
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

/** A chunked answer ended early, which undici reports as an HTTP error without a code. */
const isCutShort = (message: string): boolean => message.includes('Invalid EOF state');

function isHttp(error: unknown): boolean {
  if (error instanceof errors.HeadersOverflowError) return false;
  return !(error instanceof errors.HTTPParserError) || isCutShort(error.message);
}

/**
 * Converts an error of undici or a socket to one of the catalogue. Its detail names the instance, never its address.
 */
export function connectionError(instance: string, error: unknown): FleetError {
  const found = describe(error);
  const cause = slimCause(found);
  if (error instanceof errors.ResponseExceededMaxSizeError) return new AnswerTooLarge(instance, cause);
  if (!isHttp(error)) {
    return new FleetError('comfyui_error', `The ComfyUI instance ${instance} does not speak HTTP.`, { cause });
  }
  // Without a connection, nothing of the request was sent.
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

const MAX_CHARS = 400;
const QUOTED_PATH = /(['"])(?:[A-Za-z]:)?[\\/](?:[^'"\\/]+[\\/])+([^'"\\/]*)\1/g;
const BARE_PATH = /(?<![\w:/.\\])(?:[A-Za-z]:)?[\\/](?:[^\s'"\\/]+[\\/])+([^\s'"\\/]*)/g;

/** A text of ComfyUI for callers: on one line, shortened, and with only the last part of absolute paths. */
export function plainText(text: string): string {
  return cut(withoutPaths(text).replace(/\s+/g, ' ').trim(), MAX_CHARS);
}

/** The same with its line breaks. */
export function plainLines(text: string): string {
  return cut(withoutPaths(text), MAX_CHARS);
}

function withoutPaths(text: string): string {
  return text.replace(QUOTED_PATH, '$1$2$1').replace(BARE_PATH, '$1');
}
