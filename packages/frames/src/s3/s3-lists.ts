import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { StoredFrame } from '../frame-store.js';
import { ASK_MS, type Bucket } from './bucket.js';

/** The objects below a prefix, with what is behind it as their names; `only` one of them. */
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

/** Uploads below a prefix that were begun before this time and have not ended. */
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
