import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import { DigestCache } from '../digest-cache.js';
import type { ByteRange, FrameInfo, FrameStore, FrameStores, LinkOptions } from '../frame-store.js';
import { contentTypeOf } from '../frame-types.js';
import { isSafeName, safeName } from '../names.js';
import { ASK_MS, type Bucket, listObjects, listUploads, openBucket } from './bucket.js';
import { createDeletionMarks } from './deletion-marks.js';
import { explain, isAbsent, type S3Settings, storageError } from './s3-faults.js';
import { relabel, upload } from './upload.js';

/** Opens the three stores in one bucket. */
export function openS3Stores(settings: S3Settings): FrameStores {
  const bucket = openBucket(settings);
  // List rather than HEAD, whose response has no body that could explain an error.
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

/** S3 reports times in whole seconds, so two changes within this time can have the same one. */
const TIME_STEP_MS = 2_000;

/**
 * Stores files as objects `<prefix><folder>/<name>` of a bucket, with the digest as metadata. `<prefix>deleting/` contains the
 * marks of running deletions, `<prefix>arriving/` large content whose name is not known yet.
 */
export function createS3Frames(
  bucket: Bucket,
  folder: string,
  patience?: Parameters<typeof createDeletionMarks>[2],
): FrameStore {
  const { settings, ask } = bucket;
  const prefix = `${settings.prefix}${folder}/`;
  const marksPrefix = `${settings.prefix}deleting/${folder}/`;
  const arrivingPrefix = `${settings.prefix}arriving/${folder}/`;
  const marks = createDeletionMarks(bucket, marksPrefix, patience);
  const digests = new DigestCache();
  const place = (name: string) => ({ Bucket: settings.bucket, Key: prefix + name });

  async function head(name: string): Promise<HeadObjectCommandOutput | undefined> {
    const command = new HeadObjectCommand(place(name));
    const found = await ask((client, options) => client.send(command, options).catch(absentIsUndefined), {
      ms: ASK_MS,
    });
    // 404 can also mean that the bucket does not exist. Listing it throws in that case.
    if (found === undefined) await listObjects(bucket, prefix, { only: name }).next();
    return found;
  }

  async function get(name: string, which: { readonly Range?: string; readonly IfMatch?: string | undefined }) {
    const command = new GetObjectCommand({ ...place(name), ...which });
    // The deadline applies until the response begins. For the body, only the idle timeout of the connection applies.
    const { signal: abortSignal, end } = joinSignals([], { ms: ASK_MS });
    try {
      const answer = await bucket.client.send(command, { abortSignal }).catch(absentIsUndefined);
      return answer && readStream(answer.Body as Readable, (error) => storageError(error, settings));
    } catch (error) {
      throw storageError(error, settings);
    } finally {
      end();
    }
  }

  async function openFrame(name: string, range?: ByteRange): Promise<Readable | undefined> {
    if (!isSafeName(name)) return undefined;
    return get(name, range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` });
  }

  async function digest(name: string, etag: string | undefined): Promise<string> {
    const content = await get(name, { IfMatch: etag });
    if (content === undefined) throw new FleetError('storage_failed', 'The file was deleted while it was being read.');
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk as Uint8Array);
    return hash.digest('hex');
  }

  async function stat(name: string): Promise<FrameInfo | undefined> {
    const found = isSafeName(name) ? await head(name) : undefined;
    if (found === undefined) return undefined;
    const { ContentLength: bytes = 0, LastModified: modifiedAt = new Date(0), ETag, Metadata } = found;
    // Objects that other programs stored here have no digest in their metadata.
    const sha256 =
      knownDigest(Metadata) ?? (await digests.get(`${name} ${ETag} ${bytes} ${+modifiedAt}`, () => digest(name, ETag)));
    return { bytes, modifiedAt, sha256 };
  }

  async function remove(name: string, signal?: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand(place(name));
    await ask((client, options) => client.send(command, options), { ms: ASK_MS, signal });
  }

  async function touch(name: string): Promise<boolean> {
    if (!isSafeName(name)) return false;
    const found = await head(name);
    if (found !== undefined) {
      const { ETag: etag, ContentType, Metadata = {} } = found;
      const labels = { ...(ContentType === undefined ? {} : { ContentType }), Metadata };
      await relabel(bucket, place(name), { etag, labels });
    }
    // A deletion that did not see the new time has ended now; later ones will see it.
    await marks.passed(name);
    return (await head(name)) !== undefined;
  }

  async function deleteUnchanged(name: string, modifiedAt: Date): Promise<boolean> {
    if (!isSafeName(name) || Date.now() - modifiedAt.getTime() < TIME_STEP_MS) return false;
    return marks.under(name, async (signal) => {
      // Compare with a listing again: some S3 implementations report finer times there than in HEAD.
      for await (const { modifiedAt: now } of listObjects(bucket, prefix, { only: name, signal })) {
        if (now.getTime() !== modifiedAt.getTime()) return false;
        await remove(name, signal);
        return true;
      }
      return false;
    });
  }

  async function sweepAbandoned(before: Date): Promise<number> {
    let removed = 0;
    for (const place of [prefix, arrivingPrefix])
      for await (const { Key, UploadId } of listUploads(bucket, place, before)) {
        const abort = new AbortMultipartUploadCommand({ Bucket: settings.bucket, Key, UploadId });
        await ask((client, options) => client.send(abort, options).catch(absentIsUndefined), { ms: ASK_MS });
        removed += 1;
      }
    for (const place of [marksPrefix, arrivingPrefix])
      for await (const { name, modifiedAt } of listObjects(bucket, place, {})) {
        if (modifiedAt >= before) continue;
        const left = new DeleteObjectCommand({ Bucket: settings.bucket, Key: place + name });
        await ask((client, options) => client.send(left, options), { ms: ASK_MS });
        if (place === arrivingPrefix) removed += 1;
      }
    return removed;
  }

  return {
    put: async (name, source, { signal }) => {
      if (typeof name === 'string') safeName(name);
      signal.throwIfAborted();
      const target = typeof name === 'string' ? async () => name : async () => safeName(await name());
      const named = async () => {
        const final = await target();
        return { place: place(final), contentType: contentTypeOf(final) };
      };
      const arriving = { Bucket: settings.bucket, Key: arrivingPrefix + randomBytes(16).toString('hex') };
      return upload(bucket, { named, arriving: typeof name === 'string' ? undefined : arriving }, source, { signal });
    },
    stat,
    open: openFrame,
    delete: async (name) => {
      if (isSafeName(name)) await remove(name);
    },
    touch,
    deleteUnchanged,
    list: (beginning = '') => listFrames(bucket, prefix, beginning),
    freeBytes: async () => undefined,
    sweepTemporary: async () => 0,
    sweepAbandoned,
    link: async (name, options) =>
      settings.reads === 'presigned' && isSafeName(name) ? presignedUrl(bucket, place(name), options) : undefined,
  };
}

/**
 * Returns the body of a response as a stream. `failure` converts errors of the body; an error with which the reader destroys
 * the stream stays as it is. Destroying the stream closes the connection.
 */
function readStream(body: Readable, failure: (error: Error) => Error): Readable {
  const out = new PassThrough({
    destroy: (error: NodeJS.ErrnoException | null, done) => {
      const isOfBody = error !== null && (error === body.errored || error.code === 'ERR_STREAM_PREMATURE_CLOSE');
      body.destroy();
      done(isOfBody ? failure(error) : error);
    },
  });
  // Readers get errors from the error event of `out`.
  return pipeline(body, out, () => undefined);
}

async function* listFrames(bucket: Bucket, prefix: string, beginning: string) {
  for await (const { name, ...frame } of listObjects(bucket, prefix + beginning, {})) {
    const whole = beginning + name;
    if (isSafeName(whole)) yield { name: whole, ...frame };
  }
}

function knownDigest(metadata: Record<string, string> | undefined): string | undefined {
  const { sha256 = '' } = metadata ?? {};
  return /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined;
}

/** For `.catch`: returns undefined if the object does not exist. */
function absentIsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
  return undefined;
}

/** The signing date is rounded down to this, so that everybody gets the same URL for a minute and caches work. */
const STEP_MS = 60_000;

/** Signs a URL at which the object can be read for at most `seconds` from now. Makes no request. */
async function presignedUrl(
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
