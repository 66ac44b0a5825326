import { Readable } from 'node:stream';
import type { Deps } from '../../deps.js';
import { createInputsCheck } from '../../orders/inputs-check.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { openUntil } from '../../server/open-streams.js';
import { problemReply } from '../../server/problems.js';
import { chooseModel } from './choose-model.js';
import { openaiDialect } from './dialect.js';
import { createImagesReader, type ImagesRequest } from './images-request.js';
import { endOfJob } from './job-end.js';
import { modelsFor, type Use } from './models.js';
import { orderImages } from './order-images.js';
import { createSentFiles } from './sent-files.js';
import { placePictures } from './sent-pictures.js';
import { streamedPictures } from './streamed-answer.js';
import { type MadePicture, wholeAnswer } from './whole-answer.js';

export interface MakeImagesOptions {
  readonly use: Use;
  /** What other names of models stand for. */
  readonly aliases: ReadonlyMap<string, string>;
  /** A caller that goes away takes its jobs along. */
  readonly cancelOnDisconnect: boolean;
}

const EVENT_STREAM = { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' };

/**
 * Makes pictures and answers them, in one answer that is held until the last of them is there, or as a stream of events. As
 * soon as there is a job every answer has its id and tells the caller not to send the request again, which would make
 * another.
 */
export function makeImages(deps: Deps, { use, aliases, cancelOnDisconnect }: MakeImagesOptions): Handler {
  const read = createImagesReader(deps.config.limits, use);
  const sentFiles = createSentFiles(deps);
  const check = createInputsCheck();
  return async (request) => {
    const caller = knownCaller(request.caller);
    const wish = read(request);
    const { workflow, lod } = chooseModel({ models: modelsFor(deps.workflows, caller), aliases }, use, wish.model);
    const files = use === 'generations' ? [] : await sentFiles(request);
    const sent = use === 'generations' ? undefined : placePictures(workflow, files);
    const { signal, holds, log } = request;
    // Before there is a job that would be for nothing.
    if (wish.stream === true) openUntil(signal, deps.streams, caller.id);
    const { ids, replayed } = await orderImages(deps, request, { workflow, lod, wish, files, sent }, check);
    // Who has a key to ask again with comes back.
    const isRepeatable = request.header('idempotency-key') !== undefined;
    if (cancelOnDisconnect && !isRepeatable) cancelWhenLeft(deps, request, ids);
    const reply: Reply =
      wish.stream === true
        ? {
            status: 200,
            headers: EVENT_STREAM,
            body: Readable.from(streamedPictures(deps, { ids, wish, use, signal, holds, log })),
          }
        : await held(deps, request, ids, wish);
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

/** The answer when all jobs have ended. */
async function held(deps: Deps, request: ApiRequest, ids: readonly string[], wish: ImagesRequest): Promise<Reply> {
  const { signal, log } = request;
  try {
    const made: MadePicture[] = [];
    for (const end of await Promise.all(ids.map((id) => endOfJob(deps, id, signal)))) {
      if ('error' in end) return { status: end.status, body: { error: end.error } };
      made.push(...end.pictures.map((picture) => ({ record: end.record, picture })));
    }
    const [first, ...others] = made;
    if (first === undefined) throw new Error('jobs ended without a picture and without a fault');
    return await wholeAnswer(deps, request, [first, ...others], wish);
  } catch (error) {
    if (signal.aborted) throw error;
    return problemReply(error, { path: request.path, dialect: openaiDialect, log });
  }
}

/** Unless it is this process that leaves. The end of a whole answer finds jobs that have ended. */
function cancelWhenLeft({ ledger, stopping }: Deps, { signal, log }: ApiRequest, ids: readonly string[]): void {
  const cancel = () => {
    if (stopping.aborted) return;
    for (const id of ids) {
      ledger.jobs.cancel(id).catch((error: unknown) => log.debug('a job was not canceled', { job: id, error }));
    }
  };
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
}
