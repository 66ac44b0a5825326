import { Readable } from 'node:stream';
import { ANONYMOUS } from '@comfy-fleet/contracts';
import type { Picture } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { openUntil } from '../../server/key-limits.js';
import type { Handler, Reply } from '../../server/messages.js';
import { problemReply } from '../../server/problems.js';
import { streamed } from '../../server/server-sent-events.js';
import { openaiDialect } from './dialect.js';
import { createImagesReader, pictureFacts, type Task } from './images-request.js';
import { countPictures, type EncodedPicture, encodePicture, endOfJob, type MadePicture } from './job-pictures.js';
import { chooseModel, modelsOf, type Use } from './models.js';
import { orderImages } from './order-images.js';
import { NO_PICTURES, placePictures } from './sent-pictures.js';
import { streamedPictures } from './streamed-pictures.js';

/**
 * Makes pictures and sends them, either in one response when all are made or as a stream of events. Once the jobs exist,
 * every response has the id of the first one, and tells clients without an Idempotency-Key not to retry, because a retry
 * would create other jobs.
 */
export function makeImages(deps: Deps, use: Use): Handler {
  const read = createImagesReader(deps.config.limits);
  return async (request) => {
    const wanted = read(request);
    const task: Task = { deps, request, use, wanted };
    const model = chooseModel(modelsOf(deps, request), use, wanted.model);
    const sent = use === 'generations' ? NO_PICTURES : placePictures(model.workflow, request.files);
    // Checked first, so that a refused request leaves no jobs behind.
    openUntil(request.signal, deps.streams, request.caller.id);
    const { ids, replayed } = await orderImages(task, model, sent);
    const isRepeatable = request.header('idempotency-key') !== undefined;
    const reply = wanted.stream === true ? streamed(streamedPictures(task, ids)) : await heldReply(task, ids);
    const [job = ''] = ids;
    const headers = {
      ...reply.headers,
      'X-Request-Id': job,
      'X-Should-Retry': `${isRepeatable && reply.status === 503}`,
      ...(replayed ? { 'Idempotent-Replayed': 'true' } : {}),
    };
    return { ...reply, headers, job };
  };
}

/** Waits until all jobs have ended, and answers with their pictures. */
async function heldReply(task: Task, ids: readonly string[]): Promise<Reply> {
  const { signal, log, path } = task.request;
  try {
    const ends = await Promise.all(ids.map((id) => endOfJob(task, id)));
    const made: MadePicture[] = [];
    for (const end of ends) {
      if ('error' in end) return { status: end.status, body: { error: end.error } };
      made.push(...end);
    }
    return await picturesReply(task, made);
  } catch (error) {
    if (signal.aborted) throw error;
    return problemReply(error, { path, dialects: [openaiDialect], log });
  }
}

/** All pictures in one response, as base64 unless the request asks for URLs. */
async function picturesReply(task: Task, made: readonly MadePicture[]): Promise<Reply> {
  const { wanted } = task;
  const [first] = made;
  if (first === undefined) throw new Error('jobs ended with neither a picture nor an error');
  const created = Math.floor(first.record.createdAt / 1000);
  const factsOf = (format: string) => {
    const { background, ...facts } = pictureFacts(task, first.record, format, first.picture);
    return { ...facts, ...(background === 'auto' ? {} : { background }) };
  };
  if (wanted.response_format === 'url') {
    const link = await linksFor(task);
    const format = wanted.output_format ?? first.picture.contentType.slice('image/'.length);
    const data = made.map(({ picture }) => ({ url: link(picture) }));
    return { status: 200, body: { created, data, ...factsOf(format) } };
  }
  countPictures(task);
  const encoded: EncodedPicture[] = [];
  for (const one of made) encoded.push(await encodePicture(task, one));
  const facts = JSON.stringify(factsOf(encoded[0]?.format ?? ''));
  const headers = { 'Content-Type': 'application/json; charset=utf-8' };
  return { status: 200, headers, body: Readable.from(jsonOf(created, encoded, facts)) };
}

async function* jsonOf(created: number, pictures: readonly EncodedPicture[], facts: string): AsyncGenerator<string> {
  yield `{"created":${created},"data":[`;
  for (const [index, picture] of pictures.entries()) {
    yield `${index === 0 ? '' : ','}{"b64_json":"`;
    yield* picture.base64();
    yield '"}';
  }
  yield `],${facts.slice(1)}`;
}

/** Signs absolute URLs, which clients of OpenAI expect to fetch without a key. */
async function linksFor({ deps: { config, ledger }, request, wanted: { output_format: format } }: Task) {
  const base = config.http.publicUrl ?? `http://${request.header('host') ?? 'localhost'}`;
  const { id } = request.caller;
  const sign = id === ANONYMOUS ? (path: string) => path : await ledger.urls.signing(id);
  return ({ file, contentType }: Picture) => {
    const url = base + sign(`/images/${file}`);
    if (format === undefined || contentType === `image/${format}`) return url;
    return `${url}${url.includes('?') ? '&' : '?'}format=${format}`;
  };
}
