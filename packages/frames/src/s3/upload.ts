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

/** All that is in memory of a picture, about twice. S3's least is 5 MiB, its most 10,000 parts. */
const PART_BYTES = 8 * 1024 * 1024;
/** A copy within the bucket moves gigabytes while we wait for one answer. */
const COPY_MS = 180_000;

/** What an object carries besides its bytes. */
export interface Labels {
  readonly ContentType: string;
  readonly Metadata: Record<string, string>;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

/** Where something goes: known when all of it was read; until then the parts of what is large are `arriving`. */
interface Destination {
  readonly named: () => Promise<{ readonly place: Place; readonly contentType: string }>;
  /** Undefined: `named` can be asked at once. */
  readonly arriving: Place | undefined;
}

/**
 * Stores a stream of any length as one object, or nothing, and leaves no parts behind. Written out rather than taken from
 * @aws-sdk/lib-storage: that wants the labels before the first byte, and the digest is known after the last; it has no
 * deadlines, and it says that it has given up before the parts are gone.
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
    // What cannot be removed now, sweepAbandoned takes.
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
 * Writes an object's labels anew, which makes it as young as one that is put now, if it is there. Only if it still has that
 * ETag: what was put meanwhile has labels of its own.
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
  /** Answers the ETag of the object. */
  complete(): Promise<string | undefined>;
  /** Never throws: what cannot be removed now, sweepAbandoned takes. */
  abort(): Promise<void>;
}

async function beginParts({ ask }: Bucket, place: Place, contentType: string, signal: AbortSignal): Promise<Parts> {
  const create = new CreateMultipartUploadCommand({ ...place, ContentType: contentType });
  // Not given up when the caller does: without its id it could not be aborted.
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
      // A part that is still on its way would outlive the upload.
      await adding.catch(() => undefined);
      const abort = new AbortMultipartUploadCommand({ ...place, UploadId });
      await ask((client, options) => client.send(abort, options), { ms: ASK_MS }).catch(() => undefined);
    },
  };
}

/** Cuts a stream into pieces of PART_BYTES, as some makes of S3 want them; the last one is shorter, and may be empty. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ data: Buffer; isLast: boolean }> {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (bytes + rest.byteLength >= PART_BYTES) {
      chunks.push(rest.subarray(0, PART_BYTES - bytes));
      rest = rest.subarray(PART_BYTES - bytes);
      const data = Buffer.concat(chunks);
      chunks = [];
      bytes = 0;
      yield { data, isLast: false };
    }
    chunks.push(rest);
    bytes += rest.byteLength;
  }
  yield { data: Buffer.concat(chunks), isLast: true };
}
