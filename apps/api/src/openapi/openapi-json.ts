import { createHash } from 'node:crypto';
import type { Deps } from '../deps.js';
import { type CachedFile, fileReply } from '../docs/file-reply.js';
import type { Handler, Route } from '../http/messages.js';
import { openApiDocument } from './document.js';

/** The document of the routes; made when it is asked for first, and then kept. */
export function openApiJson({ config, keys }: Deps, routes: () => readonly Route[]): Handler {
  const { assets, http, limits, images } = config;
  const options = {
    publicUrl: http.publicUrl,
    anonymous: keys === undefined,
    limits,
    maxBatchJobs: http.maxBatchJobs,
    maxWaitSeconds: http.maxWaitSeconds,
    maxImageBytes: images.maxBytes,
    maxAssetBytes: assets.maxBytes,
    widths: images.widths,
  };
  let made: CachedFile | undefined;
  return (request) => {
    made ??= cachedJson(openApiDocument(routes(), options));
    // Generators of clients run in pages of other origins too.
    return fileReply(request, made, { 'Cross-Origin-Resource-Policy': 'cross-origin' });
  };
}

function cachedJson(value: object): CachedFile {
  const data = Buffer.from(JSON.stringify(value));
  return {
    data,
    contentType: 'application/json; charset=utf-8',
    sha256: createHash('sha256').update(data).digest('hex'),
  };
}
