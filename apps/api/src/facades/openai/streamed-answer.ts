import { FleetError, isTerminal, joinSignals } from '@comfy-fleet/contracts';
import type { JobRecord, Preview } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Deps } from '../../deps.js';
import { toDecode } from '../../files/stored-picture.js';
import type { ApiRequest } from '../../server/messages.js';
import { serverSentEvent, withHeartbeat } from '../../server/server-sent-events.js';
import { convert, encodePicture } from './encode-picture.js';
import { openAiError } from './error-body.js';
import type { ImagesRequest } from './images-request.js';
import { endOf, type JobFault, leaving } from './job-end.js';
import type { Use } from './models.js';
import { pictureFacts } from './picture-facts.js';
import type { MadePicture } from './whole-answer.js';

export interface PicturesToStream {
  readonly ids: readonly string[];
  readonly wish: ImagesRequest;
  readonly use: Use;
  /** Aborts when the caller is gone. */
  readonly signal: AbortSignal;
  readonly holds: ApiRequest['holds'];
  readonly log: Logger;
}

const EVENTS = {
  generations: 'image_generation',
  edits: 'image_edit',
  variations: 'image_edit',
} as const satisfies Record<Use, string>;
/** Clients count on it to be there. Nothing here is paid by tokens. */
const USAGE = {
  input_tokens: 0,
  input_tokens_details: { image_tokens: 0, text_tokens: 0 },
  output_tokens: 0,
  total_tokens: 0,
};

/**
 * The pictures as server-sent events, one job after the other: previews of each while it runs, as many as are wanted and
 * spread over its progress, then its pictures; `error` when there are none, which is the last.
 */
export async function* streamedPictures(deps: Deps, asked: PicturesToStream): AsyncGenerator<string> {
  const { signal, end } = joinSignals([asked.signal, deps.stopping]);
  try {
    for (const id of asked.ids) {
      try {
        yield* withHeartbeat(partials(deps, id, { ...asked, signal }), deps.heartbeatMs);
        const fault = yield* completed(deps, id, asked);
        if (fault === undefined) continue;
        yield errorEvent(fault.error);
      } catch (error) {
        if (asked.signal.aborted) return;
        asked.log.debug('a stream of pictures broke off', { job: id, error });
        yield errorEvent(deps.stopping.aborted ? leaving(id).error : openAiError(toFleetError(error)));
      }
      return;
    }
  } finally {
    end();
  }
}

async function* partials(
  deps: Deps,
  id: string,
  { wish, use, signal }: PicturesToStream,
): AsyncGenerator<string, undefined> {
  const { partial_images: most = 0 } = wish;
  let sent = 0;
  let fraction = 0;
  let record: JobRecord | undefined;
  for await (const item of deps.ledger.jobs.events(id, { signal })) {
    if (item.kind === 'snapshot') {
      record = item.snapshot.record;
      fraction = record.progress.fraction;
    } else if (item.kind === 'event') {
      if (item.event.type === 'progress') fraction = item.event.progress.fraction;
    } else if (record !== undefined && sent < most && fraction * most >= sent) {
      const { data, format } = await asWanted(deps, record.key, item.preview, wish);
      const type = `${EVENTS[use]}.partial_image`;
      const facts = pictureFacts(record, undefined, format, wish);
      const created_at = Math.floor(Date.now() / 1000);
      yield serverSentEvent(type, { type, b64_json: data, partial_image_index: sent, created_at, ...facts });
      sent += 1;
    }
  }
}

/** A preview in the format of the picture, where one is wanted. */
async function asWanted({ config, decoding }: Deps, key: string, { contentType, data }: Preview, wish: ImagesRequest) {
  const format = contentType.slice('image/'.length);
  const { output_format: wanted = format } = wish;
  if (wanted === format) return { data, format };
  const made = await decoding(key, async () =>
    convert(await toDecode(Buffer.from(data, 'base64'), config.images), wish),
  );
  return { data: made.toString('base64'), format: wanted };
}

/** The pictures of a job that has ended. Returns why there are none. */
async function* completed(
  deps: Deps,
  id: string,
  asked: PicturesToStream,
): AsyncGenerator<string, JobFault | undefined> {
  const record = (await deps.ledger.jobs.get(id))?.record;
  if (record === undefined) throw new FleetError('job_not_found', `The job ${id} was deleted meanwhile.`);
  const end = isTerminal(record.status) ? endOf(record) : leaving(id);
  if ('error' in end) return end;
  for (const picture of end.pictures) yield* pictureEvent(deps, { record, picture }, asked);
  return undefined;
}

/** Not as one text: a picture may be large. */
async function* pictureEvent(
  deps: Deps,
  made: MadePicture,
  { wish, use, signal, holds }: PicturesToStream,
): AsyncGenerator<string> {
  const { record, picture } = made;
  const encoded = await encodePicture(deps, made, wish, { signal, holds });
  const type = `${EVENTS[use]}.completed`;
  const created_at = Math.floor((record.finishedAt ?? record.createdAt) / 1000);
  const facts = { created_at, ...pictureFacts(record, picture, encoded.format, wish), usage: USAGE };
  yield `event: ${type}\ndata: {"type":"${type}","b64_json":"`;
  yield* encoded.base64();
  yield `",${JSON.stringify(facts).slice(1)}\n\n`;
}

function errorEvent(error: object): string {
  return serverSentEvent('error', { type: 'error', error });
}

function toFleetError(error: unknown): FleetError {
  return error instanceof FleetError ? error : new FleetError('internal_error', 'The pictures could not be sent.');
}
