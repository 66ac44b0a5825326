import { FleetError, isTerminal, joinSignals } from '@comfy-fleet/contracts';
import type { JobRecord, Preview } from '@comfy-fleet/jobs';
import { serverSentEvent, withHeartbeat } from '../../server/server-sent-events.js';
import { openAiError } from './dialect.js';
import { pictureFacts, type Task } from './images-request.js';
import { convert, countPictures, encodePicture, type MadePicture, picturesMade, restarting } from './job-pictures.js';
import type { Use } from './models.js';

const EVENTS: Record<Use, string> = { generations: 'image_generation', edits: 'image_edit' };
/** Clients require this field, although we count no tokens. */
const USAGE = {
  input_tokens: 0,
  input_tokens_details: { image_tokens: 0, text_tokens: 0 },
  output_tokens: 0,
  total_tokens: 0,
};

/** Server-sent events for one job after the other: previews, spread over its progress, then its pictures or `error`. */
export async function* streamedPictures(task: Task, ids: readonly string[]): AsyncGenerator<string> {
  const { deps, request } = task;
  const { signal, end } = joinSignals([request.signal, deps.stopping]);
  try {
    for (const id of ids) {
      try {
        yield* withHeartbeat(partials(task, id, signal), deps.heartbeatMs);
        const record = (await deps.ledger.jobs.get(id))?.record;
        if (record === undefined)
          throw new FleetError('job_not_found', `The job ${id} was deleted while this request waited for it.`);
        const made = isTerminal(record.status) ? picturesMade(record) : restarting(id);
        if ('error' in made) return yield errorEvent(made.error);
        if (id === ids[0]) countPictures(task);
        for (const one of made) yield* pictureEvent(task, one);
      } catch (error) {
        if (request.signal.aborted) return;
        request.log.debug('a stream of pictures broke off', { job: id, error });
        const fault =
          error instanceof FleetError ? error : new FleetError('internal_error', 'The pictures could not be sent.');
        return yield errorEvent(deps.stopping.aborted ? restarting(id).error : openAiError(fault));
      }
    }
  } finally {
    end();
  }
}

async function* partials(task: Task, id: string, signal: AbortSignal): AsyncGenerator<string, undefined> {
  const { partial_images: most = 0 } = task.wanted;
  let sent = 0;
  let fraction = 0;
  let record: JobRecord | undefined;
  for await (const item of task.deps.ledger.jobs.events(id, { signal })) {
    if (item.kind === 'snapshot') {
      record = item.snapshot.record;
      fraction = record.progress.fraction;
    } else if (item.kind === 'event') {
      if (item.event.type === 'progress') fraction = item.event.progress.fraction;
    } else if (record !== undefined && sent < most && fraction * most >= sent) {
      const { data, format } = await asWanted(task, record.key, item.preview);
      const type = `${EVENTS[task.use]}.partial_image`;
      const facts = pictureFacts(task, record, format);
      const created_at = Math.floor(Date.now() / 1000);
      yield serverSentEvent(type, { type, b64_json: data, partial_image_index: sent, created_at, ...facts });
      sent += 1;
    }
  }
}

async function asWanted(task: Task, key: string, { contentType, data }: Preview) {
  const { deps, request } = task;
  const own = contentType.slice('image/'.length);
  const { output_format: format = own } = task.wanted;
  if (format === own) return { data, format };
  const converting = () => convert(task, Buffer.from(data, 'base64'), format);
  const made = await deps.decoding(key, converting, { signal: request.signal });
  return { data: made.toString('base64'), format };
}

/** Yields the event in pieces, because a picture may be large. */
async function* pictureEvent(task: Task, made: MadePicture): AsyncGenerator<string> {
  const { record, picture } = made;
  const encoded = await encodePicture(task, made);
  const type = `${EVENTS[task.use]}.completed`;
  const created_at = Math.floor((record.finishedAt ?? record.createdAt) / 1000);
  const facts = { created_at, ...pictureFacts(task, record, encoded.format, picture), usage: USAGE };
  yield `event: ${type}\ndata: {"type":"${type}","b64_json":"`;
  yield* encoded.base64();
  yield `",${JSON.stringify(facts).slice(1)}\n\n`;
}

function errorEvent(error: object): string {
  return serverSentEvent('error', { type: 'error', error });
}
