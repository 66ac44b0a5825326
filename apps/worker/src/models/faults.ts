import { FleetError, type ModelFaultCode } from '@comfy-fleet/contracts';

/** Why a model cannot be fetched. The detail is for people, and has no secrets. */
export class ModelFault extends Error {
  readonly code: ModelFaultCode;
  readonly detail: string;
  /** How long the source asked to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** The size of the file, if it is known. */
  readonly bytes: number | undefined;

  constructor(
    code: ModelFaultCode,
    detail: string,
    more: {
      readonly retryAfterMs?: number | undefined;
      readonly bytes?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(`${code}: ${detail}`, { cause: more.cause });
    this.name = 'ModelFault';
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = more.retryAfterMs;
    this.bytes = more.bytes;
  }
}

/** Longest time for which a source is left alone because it asks for it. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

interface StatusAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly url: string;
}

/** The fault of an answer without content. `isSigned`: credentials were sent. */
export function faultOfStatus({ status, header, url }: StatusAnswer, isSigned: boolean): ModelFault {
  const detail = `${hostOf(url)} answered with the status ${status}.`;
  if (status === 401 || status === 403) {
    return isSigned
      ? new ModelFault('refused_by_source', `${detail} It refuses the credentials of MODEL_CREDENTIALS_FILE.`)
      : new ModelFault('no_credentials', `${detail} MODEL_CREDENTIALS_FILE has no credentials for it.`);
  }
  const retryAfterMs = retryAfter(header('retry-after'));
  return new ModelFault(status >= 500 ? 'source_failed' : 'refused_by_source', detail, { retryAfterMs });
}

function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined;
}

export function hostOf(url: string): string {
  return new URL(url).host;
}

/** Converts whatever a fetch throws. */
export function faultOf(error: unknown): ModelFault {
  if (error instanceof ModelFault) return error;
  if (error instanceof FleetError && error.code === 'url_not_allowed') {
    return new ModelFault('address_not_allowed', error.detail, { cause: error });
  }
  if (error instanceof FleetError) return new ModelFault('not_reachable', error.detail, { cause: error });
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ModelFault('no_space', 'There is no space left on the volume of the models folder.', { cause: error });
  }
  return new ModelFault('disk_failed', `The file cannot be written to the models folder (${code}).`, { cause: error });
}
