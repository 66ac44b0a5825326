import { createHash, type Hash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { ASK_MS, type Bucket, MOVE_MS } from './bucket.js';
import { isAbsent } from './s3-faults.js';

/** About two parts are in memory at once. S3 requires at least 5 MiB per part and at most 10,000 parts. */
const PART_BYTES = 8 * 1024 * 1024;
/** Deadline of a copy within the bucket, which can move gigabytes in one request. */
const COPY_MS = 180_000;

/** The headers that are stored with an object. */
export interface Labels {
  readonly ContentType: string;
  readonly Metadata: Record<string, string>;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

/** The destination of an upload. Its name can depend on the whole content. */
interface Destination {
  readonly named: () => Promise<{ readonly place: Place; readonly contentType: string }>;
  /** Where parts of large content are stored until the name is known; undefined if `named` can be called at once. */
  readonly arriving: Place | undefined;
}

/**
 * Stores a stream of any length as one object, or nothing, and leaves no parts behind. @aws-sdk/lib-storage does not fit: it
 * needs the metadata before the first byte, but the digest is known only after the last; it has no deadlines; and after an
 * abort it returns before the parts are deleted.
 */
export async function upload(
  bucket: Bucket,
  { named, arriving }: Destination,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { signal }: { readonly signal: AbortSignal },
): Promise<{ bytes: number; sha256: string }> {
  const whole = createHash('sha256');
  let bytes = 0;
  let parts: Promise<Parts> | undefined;
  const begin = async () => {
    const at = arriving === undefined ? await named() : { place: arriving, contentType: 'application/octet-stream' };
    return beginParts(bucket, at.place, at.contentType, signal);
  };
  const store = async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const { data, isLast } of pieces(chunks)) {
      whole.update(data);
      bytes += data.length;
      if (parts === undefined && isLast) {
        const { place, contentType } = await named();
        return putWhole(bucket, place, data, { contentType, whole, signal });
      }
      parts ??= begin();
      if (data.length > 0) await (await parts).add(data);
    }
    const { place, contentType } = await named();
    const etag = await (await parts)?.complete();
    const labels = { ContentType: contentType, Metadata: { sha256: whole.copy().digest('hex') } };
    if (arriving === undefined) return relabel(bucket, place, { etag, labels, signal });
    const copy = copyCommand(arriving, place, { etag, labels });
    await bucket.ask((client, options) => client.send(copy, options), { ms: COPY_MS, signal });
    // If this fails, sweepAbandoned removes the object later.
    const remove = new DeleteObjectCommand(arriving);
    await bucket.ask((client, options) => client.send(remove, options), { ms: ASK_MS }).catch(() => undefined);
  };
  try {
    await pipeline(source, store, { signal });
    return { bytes, sha256: whole.digest('hex') };
  } catch (error) {
    await (await parts?.catch(() => undefined))?.abort();
    throw signal.aborted ? signal.reason : error;
  }
}

/**
 * Rewrites an object's labels, which also sets its time to now. Does nothing if the object is missing or has another ETag:
 * content that was stored meanwhile has its own labels.
 */
export async function relabel(
  bucket: Bucket,
  place: Place,
  { etag, labels, signal }: { etag: string | undefined; labels: Partial<Labels>; signal?: AbortSignal },
): Promise<void> {
  const copy = copyCommand(place, place, { etag, labels });
  const send = (client: S3Client, options: { abortSignal: AbortSignal }) =>
    client.send(copy, options).catch((error: unknown) => {
      const isOther = error instanceof Error && error.name === 'PreconditionFailed';
      if (!isOther && !isAbsent(error)) throw error;
    });
  await bucket.ask(send, { ms: COPY_MS, signal });
}

function copyCommand(
  from: Place,
  to: Place,
  { etag, labels }: { readonly etag: string | undefined; readonly labels: Partial<Labels> },
): CopyObjectCommand {
  return new CopyObjectCommand({
    ...to,
    CopySource: `${from.Bucket}/${from.Key}`,
    CopySourceIfMatch: etag,
    MetadataDirective: 'REPLACE',
    ...labels,
  });
}

async function putWhole(
  { ask }: Bucket,
  place: Place,
  data: Buffer,
  { contentType, whole, signal }: { contentType: string; whole: Hash; signal: AbortSignal },
): Promise<void> {
  const put = new PutObjectCommand({
    ...place,
    Body: data,
    ContentLength: data.length,
    ContentType: contentType,
    Metadata: { sha256: whole.copy().digest('hex') },
  });
  await ask((client, options) => client.send(put, options), { ms: MOVE_MS, signal });
}

interface Parts {
  add(data: Buffer): Promise<void>;
  /** Returns the ETag of the object. */
  complete(): Promise<string | undefined>;
  /** Never throws: sweepAbandoned removes later what cannot be removed now. */
  abort(): Promise<void>;
}

async function beginParts({ ask }: Bucket, place: Place, contentType: string, signal: AbortSignal): Promise<Parts> {
  const create = new CreateMultipartUploadCommand({ ...place, ContentType: contentType });
  // Does not stop with the caller's signal: without its id, the upload could not be aborted.
  const { UploadId } = await ask((client, options) => client.send(create, options), { ms: ASK_MS });
  const done: CompletedPart[] = [];
  let adding: Promise<void> = Promise.resolve();

  async function add(data: Buffer): Promise<void> {
    const PartNumber = done.length + 1;
    const part = new UploadPartCommand({ ...place, UploadId, PartNumber, Body: data, ContentLength: data.length });
    const { ETag } = await ask((client, options) => client.send(part, options), { ms: MOVE_MS, signal });
    done.push({ PartNumber, ETag });
  }

  return {
    add: (data) => {
      adding = add(data);
      return adding;
    },
    complete: async () => {
      const complete = new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts: done } });
      return (await ask((client, options) => client.send(complete, options), { ms: COPY_MS, signal })).ETag;
    },
    abort: async () => {
      // A part that is still being uploaded would outlive the upload.
      await adding.catch(() => undefined);
      const abort = new AbortMultipartUploadCommand({ ...place, UploadId });
      await ask((client, options) => client.send(abort, options), { ms: ASK_MS }).catch(() => undefined);
    },
  };
}

/** Splits a stream into equal pieces, as some S3 implementations require. The last piece is shorter and can be empty. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ data: Buffer; isLast: boolean }> {
  // One buffer, since a list of small chunks would take many times their bytes.
  let data = Buffer.allocUnsafe(PART_BYTES);
  let bytes = 0;
  for await (const chunk of source) {
    for (let rest = chunk; rest.byteLength > 0; ) {
      const next = rest.subarray(0, PART_BYTES - bytes);
      data.set(next, bytes);
      bytes += next.byteLength;
      rest = rest.subarray(next.byteLength);
      if (bytes < PART_BYTES) continue;
      yield { data, isLast: false };
      data = Buffer.allocUnsafe(PART_BYTES);
      bytes = 0;
    }
  }
  yield { data: data.subarray(0, bytes), isLast: true };
}
