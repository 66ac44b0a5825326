import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { FrameStores } from '../frame-store.js';
import { openBucket } from './bucket.js';
import { explain } from './s3-faults.js';
import { createS3Frames } from './s3-frames.js';
import type { S3Settings } from './s3-settings.js';

/** The three stores in one bucket. */
export function openS3Stores(settings: S3Settings): FrameStores {
  const bucket = openBucket(settings);
  // Listing, since a HEAD has no body that could say what is wrong.
  const probe = new ListObjectsV2Command({ Bucket: settings.bucket, Prefix: settings.prefix, MaxKeys: 1 });
  return {
    frames: createS3Frames(bucket, 'frames'),
    inputs: createS3Frames(bucket, 'inputs'),
    derived: createS3Frames(bucket, 'derived'),
    fault: (signal) =>
      bucket.client.send(probe, { abortSignal: signal }).then(
        () => undefined,
        (error: unknown) => explain(error, settings),
      ),
  };
}
