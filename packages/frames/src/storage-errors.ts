import { FleetError } from '@comfy-fleet/contracts';

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Runs one step on the file system; its failure becomes storage_failed, without the path that Node's message names. */
export async function storing<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const code = errorCode(cause);
    const detail = NO_SPACE.has(code)
      ? 'There is no space left where pictures are stored.'
      : `The place where pictures are stored does not work (${code}).`;
    throw new FleetError('storage_failed', detail, { cause });
  }
}

export function isAbsent(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** For `.catch`: what is not there is no failure. */
export function absentIsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
  return undefined;
}

function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? 'unknown error';
}
