import type { FramesSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';

export type S3Settings = Extract<FramesSettings, { readonly store: 's3' }>;

/** A failed command as storage_failed: its cause says to the operator what to do, its detail nothing of the bucket. */
export function storageError(error: unknown, settings: S3Settings): FleetError {
  const detail = isFull(nameOf(error))
    ? 'There is no space left where pictures are stored.'
    : `The place where pictures are stored does not work (${nameOf(error)}).`;
  // The SDK's error holds its sockets and the headers that it signed.
  return new FleetError('storage_failed', detail, { cause: new Error(explain(error, settings)) });
}

/** True when there is nothing of that name; HEAD has no body that could say more than 404. */
export function isAbsent(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound'].includes(nameOf(error));
}

/** What is wrong with the place, and what an operator can do about it. */
export function explain(error: unknown, { bucket, region, endpoint }: S3Settings): string {
  const name = nameOf(error);
  const place = endpoint ?? `S3 of AWS in ${region}`;
  switch (name) {
    case 'NoSuchBucket':
      return `There is no bucket ${bucket} at ${place}; make it, or check S3_BUCKET, S3_ENDPOINT and S3_PATH_STYLE`;
    case 'CredentialsProviderError':
      return 'There are no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or pod a role';
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
      return `${place} does not take the credentials (${name}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
    case 'ExpiredToken':
      return `The credentials for S3 have expired (${name}); renew them`;
    case 'AccessDenied':
    case 'Forbidden':
    case '403':
      return `${place} forbids what the credentials ask of the bucket ${bucket}; they need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket and s3:ListBucketMultipartUploads`;
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return `The bucket ${bucket} is in another region than ${region}; check S3_REGION (${messageOf(error)})`;
    case 'RequestTimeTooSkewed':
      return `The clock of this machine differs from that of ${place}; set it (NTP)`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name of ${place} is not known (${name}); check S3_ENDPOINT, S3_REGION and the DNS; S3_PATH_STYLE=1 where the bucket is not part of the host`;
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `Nothing can be reached at ${place} (${name}); check S3_ENDPOINT, and that it runs`;
    case 'AbortError':
    case 'TimeoutError':
      return `${place} does not answer in time; check that it works and what is between`;
    default:
      if (isFull(name)) return `The bucket ${bucket} takes no more (${name}); make room, or raise its quota`;
      return `The bucket ${bucket} at ${place} does not work (${name}: ${messageOf(error)})`;
  }
}

function isFull(name: string): boolean {
  return ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', '507'].includes(name);
}

/** S3's own word for it, Node's, or the status that was answered without either. */
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
