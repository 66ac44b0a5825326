import { S3Client } from '@aws-sdk/client-s3';
import { quietAwsSdk } from '@comfy-fleet/config';
import { joinSignals } from '@comfy-fleet/contracts';
import { storageError } from './s3-faults.js';
import type { S3Settings } from './s3-settings.js';

/** For a question without a picture in it, retries included. */
export const ASK_MS = 10_000;
/** For one piece of a file, retries included. */
export const MOVE_MS = 30_000;
/** Without a connection for so long, the endpoint is taken for dead; without a byte either way, the connection. */
const CONNECT_MS = 3_000;
const SILENT_MS = 30_000;

export interface CallOptions {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
}

/** A bucket, and how it is asked. */
export interface Bucket {
  readonly client: S3Client;
  readonly settings: S3Settings;
  /**
   * Sends one command with a deadline. Throws storage_failed with the operator's explanation as its cause, or the reason of
   * the caller's signal.
   */
  ask<T>(send: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>, call: CallOptions): Promise<T>;
}

export function openBucket(settings: S3Settings): Bucket {
  const { region, endpoint, pathStyle } = settings;
  quietAwsSdk();
  const client = new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: pathStyle,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENT_MS },
    // The signature has the SHA-256 of every body in it, which S3 checks; more than that not every make of S3 understands.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return {
    client,
    settings,
    ask: async (send, { ms, signal }) => {
      signal?.throwIfAborted();
      const inTime = joinSignals(signal === undefined ? [] : [signal], { ms });
      try {
        return await send(client, { abortSignal: inTime.signal });
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw storageError(error, settings);
      } finally {
        inTime.end();
      }
    },
  };
}
