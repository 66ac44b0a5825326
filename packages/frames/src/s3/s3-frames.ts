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

/** S3 tells times in whole seconds: two changes within this may bear the same. */
const TIME_STEP_MS = 2_000;

/**
 * Pictures as objects of a bucket, `<prefix><folder>/<name>`, each with its digest as metadata. `<prefix>deleting/` holds the
 * marks of deletions under way, `<prefix>arriving/` large content whose name is not known yet.
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
    // HEAD has no body to tell whether the picture is missing or the whole bucket is; asking for a list has.
    if (found === undefined) await listObjects(bucket, prefix, { only: name }).next();
    return found;
  }

  async function get(name: string, which: { readonly Range?: string; readonly IfMatch?: string | undefined }) {
    const command = new GetObjectCommand({ ...place(name), ...which });
    // The deadline is for the answer to begin; SDK and socket watch over the body, however long that takes.
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
    if (content === undefined) throw new FleetError('storage_failed', 'The picture was deleted while it was read.');
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk as Uint8Array);
    return hash.digest('hex');
  }

  async function stat(name: string): Promise<FrameInfo | undefined> {
    const found = isSafeName(name) ? await head(name) : undefined;
    if (found === undefined) return undefined;
    const { ContentLength: bytes = 0, LastModified: modifiedAt = new Date(0), ETag, Metadata } = found;
    // None is known of what was copied here by other means.
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
    // What was deleted before it was young is gone now, and what was not stays.
    await marks.passed(name);
    return (await head(name)) !== undefined;
  }

  async function deleteUnchanged(name: string, modifiedAt: Date): Promise<boolean> {
    if (!isSafeName(name) || Date.now() - modifiedAt.getTime() < TIME_STEP_MS) return false;
    return marks.under(name, async (signal) => {
      // Listed, since some makes of S3 tell finer times there than when they are asked for the object.
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
    path: () => undefined,
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
 * The body of an answer as a stream whose failures are what `failure` makes of them; with what its reader destroys it, that
 * it ends. Destroying it ends the connection.
 */
function readStream(body: Readable, failure: (error: Error) => Error): Readable {
  const out = new PassThrough({
    destroy: (error: NodeJS.ErrnoException | null, done) => {
      const isOfBody = error !== null && (error === body.errored || error.code === 'ERR_STREAM_PREMATURE_CLOSE');
      body.destroy();
      done(isOfBody ? failure(error) : error);
    },
  });
  // Who reads `out` is told by its own error event.
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

/** For `.catch`: what is not there is no failure. */
function absentIsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error;
  return undefined;
}

/** Signed as of the last full step, so that within it everybody gets the same URL and caches can do their work. */
const STEP_MS = 60_000;

/** A URL of the bucket at which the object can be read for `seconds` from now, at most. No request is made for it. */
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
