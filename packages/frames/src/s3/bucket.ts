import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { quietAwsSdk } from '@comfy-fleet/config';
import { joinSignals } from '@comfy-fleet/contracts';
import type { StoredFrame } from '../frame-store.js';
import { type S3Settings, storageError } from './s3-faults.js';

/** Deadline of a request without file content, including retries. */
export const ASK_MS = 10_000;
/** Deadline for one part of a file, including retries. */
export const MOVE_MS = 30_000;
/** How long connecting may take, and how long a connection may be idle during a request. */
const CONNECT_MS = 3_000;
const IDLE_MS = 30_000;

export interface CallOptions {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
}

/** A bucket with its client. */
export interface Bucket {
  readonly client: S3Client;
  readonly settings: S3Settings;
  /**
   * Sends one command with a deadline. Throws storage_failed, whose cause explains the problem to operators, or the reason of
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
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      // Each download that a client reads slowly has one. By default there are 50 for everything.
      httpAgent: { maxSockets: Number.POSITIVE_INFINITY },
      httpsAgent: { maxSockets: Number.POSITIVE_INFINITY },
    },
    // The signature already contains the SHA-256 of every body; some S3 implementations support no further checksums.
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

/** Lists the objects below a prefix, with names relative to it; with `only`, just the object of that name. */
export async function* listObjects(
  { ask, settings }: Bucket,
  prefix: string,
  { only = '', signal }: { readonly only?: string; readonly signal?: AbortSignal },
): AsyncGenerator<StoredFrame> {
  for (let token: string | undefined, more = true; more; more = token !== undefined) {
    const list = new ListObjectsV2Command({
      Bucket: settings.bucket,
      Prefix: prefix + only,
      ContinuationToken: token,
    });
    const page = await ask((client, options) => client.send(list, options), { ms: ASK_MS, signal });
    for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
      const name = Key.slice(prefix.length);
      if (only === '' || name === only) yield { name, bytes: Size, modifiedAt: LastModified };
    }
    token = page.NextContinuationToken;
  }
}

/** Lists the unfinished multipart uploads below a prefix that began before this time. */
export async function* listUploads(
  { ask, settings }: Bucket,
  prefix: string,
  before: Date,
): AsyncGenerator<{ readonly Key: string; readonly UploadId: string }> {
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
  while (marker !== undefined) {
    const list: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: settings.bucket,
      Prefix: prefix,
      ...marker,
    });
    const page = await ask((client, options) => client.send(list, options), { ms: ASK_MS });
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      const isOurs = Key?.startsWith(prefix) === true && UploadId !== undefined;
      if (isOurs && Initiated !== undefined && Initiated < before) yield { Key, UploadId };
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    marker = page.IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined;
  }
}
