import { FleetError } from '@comfy-fleet/contracts';
import { onTestFinished } from 'vitest';
import { type ComfyClient, createComfyClient } from '../../src/index.js';

/** A signal that never aborts. */
export const never = (): AbortSignal => new AbortController().signal;

/** A client of the instance `gpu/1`, closed when the test is over. */
export function clientOf(baseUrl: string, timeoutMs = 60_000): ComfyClient {
  const client = createComfyClient({ baseUrl, instance: 'gpu/1', timeoutMs });
  onTestFinished(() => client.close());
  return client;
}

/** The error with which the promise rejects; the test fails if it is not from the catalogue. */
export async function failureOf(promise: Promise<unknown>): Promise<FleetError> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (error instanceof FleetError) return error;
  throw error;
}
