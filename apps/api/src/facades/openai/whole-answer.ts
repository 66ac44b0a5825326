import { Readable } from 'node:stream';
import { ANONYMOUS } from '@comfy-fleet/contracts';
import type { JobRecord, Picture } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { type EncodedPicture, encodePicture } from './encode-picture.js';
import type { ImagesRequest } from './images-request.js';
import { pictureFacts } from './picture-facts.js';

/** A picture with the job that made it. */
export interface MadePicture {
  readonly record: JobRecord;
  readonly picture: Picture;
}

/**
 * All pictures in one answer, as base64 unless URLs are asked for. Throws image_not_found, invalid_image, storage_failed,
 * and queue_unavailable where a URL cannot be signed.
 */
export async function wholeAnswer(
  deps: Deps,
  request: ApiRequest,
  made: readonly [MadePicture, ...MadePicture[]],
  wish: ImagesRequest,
): Promise<Reply> {
  const [first] = made;
  const created = Math.floor(first.record.createdAt / 1000);
  const about = (format: string) => {
    const { background, ...facts } = pictureFacts(first.record, first.picture, format, wish);
    return { ...facts, ...(background === 'auto' ? {} : { background }) };
  };
  if (wish.response_format === 'url') {
    const link = await linking(deps, request, wish);
    const format = wish.output_format ?? first.picture.contentType.slice('image/'.length);
    const data = made.map(({ picture }) => ({ url: link(picture) }));
    return { status: 200, body: { created, data, ...about(format) } };
  }
  const encoded: EncodedPicture[] = [];
  for (const one of made) encoded.push(await encodePicture(deps, one, wish, request));
  const facts = JSON.stringify(about(encoded[0]?.format ?? ''));
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: Readable.from(text(created, encoded, facts)),
  };
}

async function* text(created: number, pictures: readonly EncodedPicture[], facts: string): AsyncGenerator<string> {
  yield `{"created":${created},"data":[`;
  for (const [index, picture] of pictures.entries()) {
    yield `${index === 0 ? '' : ','}{"b64_json":"`;
    yield* picture.base64();
    yield '"}';
  }
  yield `],${facts.slice(1)}`;
}

/** Links to pictures that anybody opens who has them, absolute as clients of OpenAI expect them. */
async function linking(
  { config, ledger }: Deps,
  { caller, header }: ApiRequest,
  { output_format: format }: ImagesRequest,
): Promise<(picture: Picture) => string> {
  const base = config.http.publicUrl ?? `http://${header('host') ?? 'localhost'}`;
  const { id } = knownCaller(caller);
  const sign = id === ANONYMOUS ? (path: string) => path : await ledger.urls.signing(id);
  return ({ file, contentType }) => {
    const url = sign(`/images/${file}`);
    if (format === undefined || contentType === `image/${format}`) return base + url;
    return `${base}${url}${url.includes('?') ? '&' : '?'}format=${format}`;
  };
}
