import { type ModelBucket, quietAwsSdk } from '@comfy-fleet/config';

/** How long a signed URL is valid; a download signs again when it has expired. */
const SIGNED_SECONDS = 3600;

/** A URL with which an object of someone else's bucket can be read, also in ranges. */
export async function signDownload(
  { region, endpoint, pathStyle, credentials }: ModelBucket,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): Promise<string> {
  quietAwsSdk();
  // Imported only if needed: the SDK takes longer to load than the rest of a service.
  const { GetObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
  const client = new S3Client({
    region,
    forcePathStyle: pathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });
  try {
    return await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), {
      expiresIn: SIGNED_SECONDS,
    });
  } finally {
    client.destroy();
  }
}
