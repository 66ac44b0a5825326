import type { FramesSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';

export type S3Settings = Extract<FramesSettings, { readonly store: 's3' }>;

/** Converts the error of a command to storage_failed. The cause tells operators what to do; the detail hides the bucket. */
export function storageError(error: unknown, settings: S3Settings): FleetError {
  const detail = isFull(nameOf(error))
    ? 'There is no space left where pictures are stored.'
    : `The place where pictures are stored does not work (${nameOf(error)}).`;
  // Do not keep the SDK's error, which references sockets and signed headers.
  return new FleetError('storage_failed', detail, { cause: new Error(explain(error, settings)) });
}

/** Whether the object does not exist. The response to HEAD has no body, only status 404. */
export function isAbsent(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound'].includes(nameOf(error));
}

/** Explains to operators what is wrong with the bucket and how to fix it. */
export function explain(error: unknown, { bucket, region, endpoint }: S3Settings): string {
  const name = nameOf(error);
  const place = endpoint ?? `S3 of AWS in ${region}`;
  switch (name) {
    case 'NoSuchBucket':
      return `There is no bucket ${bucket} at ${place}; create it, or check S3_BUCKET, S3_ENDPOINT and S3_PATH_STYLE`;
    case 'CredentialsProviderError':
      return 'There are no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or pod a role';
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
      return `${place} rejects the credentials (${name}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
    case 'ExpiredToken':
      return `The credentials for S3 have expired (${name}); renew them`;
    case 'AccessDenied':
    case 'Forbidden':
    case '403':
      return `${place} denies the credentials access to the bucket ${bucket}; they need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket and s3:ListBucketMultipartUploads`;
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return `The bucket ${bucket} is in another region than ${region}; check S3_REGION (${messageOf(error)})`;
    case 'RequestTimeTooSkewed':
      return `The clock of this machine differs from that of ${place}; set it (NTP)`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name of ${place} cannot be resolved (${name}); check S3_ENDPOINT, S3_REGION and DNS, and set S3_PATH_STYLE=1 if the bucket is not part of the host name`;
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `${place} cannot be reached (${name}); check S3_ENDPOINT, and that the server runs`;
    case 'AbortError':
    case 'TimeoutError':
      return `${place} does not respond in time; check that it works, and the network`;
    default:
      if (isFull(name)) return `The bucket ${bucket} is full (${name}); delete files, or raise its quota`;
      return `The bucket ${bucket} at ${place} does not work (${name}: ${messageOf(error)})`;
  }
}

function isFull(name: string): boolean {
  return ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', '507'].includes(name);
}

/** The error code of S3 or Node, or else the status of the response. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error instanceof AggregateError && error.errors.length > 0) return nameOf(error.errors[0]);
  const { code, $metadata } = error as { code?: unknown; $metadata?: { readonly httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  if (typeof code === 'string' && /^E[A-Z_]+$/.test(code)) return code;
  if (status !== undefined && ['Unknown', 'UnknownError', 'Error'].includes(error.name)) return `${status}`;
  return error.name;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
