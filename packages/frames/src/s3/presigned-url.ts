import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { LinkOptions } from '../frame-store.js';
import type { Bucket } from './bucket.js';
import { storageError } from './s3-faults.js';

/** Signed as of the last full step, so that within it everybody gets the same URL and caches can do their work. */
const STEP_MS = 60_000;

/** A URL of the bucket at which the object can be read for `seconds` from now, at most. No request is made for it. */
export async function presignedUrl(
  { client, settings }: Bucket,
  place: { readonly Bucket: string; readonly Key: string },
  { seconds, contentType, cacheControl, contentDisposition }: LinkOptions,
): Promise<string> {
  const command = new GetObjectCommand({
    ...place,
    ResponseContentType: contentType,
    ResponseCacheControl: cacheControl,
    ResponseContentDisposition: contentDisposition,
  });
  const signingDate = new Date(Math.floor(Date.now() / STEP_MS) * STEP_MS);
  return getSignedUrl(client, command, { expiresIn: seconds, signingDate }).catch((error: unknown) => {
    throw storageError(error, settings);
  });
}
