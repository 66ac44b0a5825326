import { Readable } from 'node:stream';
import { isTerminal } from '@comfy-fleet/contracts';
import { compareEventIds, type JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { type FollowedJob, followJob } from '../../orders/follow-job.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { serverSentEvent, withHeartbeat } from '../../server/server-sent-events.js';
import { type Links, linksFor } from './links.js';
import { presentOutput } from './present-job.js';
import { presentProgress, progress } from './present-progress.js';

/**
 * GET /api/v2/jobs/{id}/events: `status`, `progress` and `preview` as they are now, and then as they become; each `output`
 * once, before the terminal `status`, with which the stream ends. No event has an id: who comes back gets what is then.
 */
export function jobEvents(deps: Deps): Handler {
  return async (request) => {
    const followed = await followJob(deps, request);
    const links = await linksFor(deps, request);
    const place = { ahead: followed.first.ahead };
    const messages = withHeartbeat(messagesOf(deps, request, followed, links, place), deps.heartbeatMs, () =>
      moved(deps, followed.first.record.id, place),
    );
    return {
      status: 200,
      headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' },
      body: Readable.from(messages),
      job: followed.first.record.id,
    };
  };
}

async function* messagesOf(
  deps: Deps,
  { log }: ApiRequest,
  { first, items, ending }: FollowedJob,
  links: Links,
  place: Place,
): AsyncGenerator<string> {
  let newest = first;
  let node = first.record.progress;
  try {
    yield* told(deps, newest, links);
    const begun = isTerminal(newest.record.status) ? null : presentProgress(newest.record);
    if (begun !== null) yield serverSentEvent('progress', begun);
    for await (const item of items) {
      if (item.kind === 'preview') {
        const { contentType, data, nodeId = node.nodeId } = item.preview;
        yield serverSentEvent('preview', { node_id: nodeId ?? '', content_type: contentType, data_base64: data });
        continue;
      }
      // Nothing is sent that a job sent before contains already.
      if (item.kind === 'snapshot' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        node = item.event.progress;
        yield serverSentEvent('progress', progress(node));
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      place.ahead = newest.ahead;
      yield* told(deps, newest, links);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // The caller comes back by itself, and polls meanwhile.
    if (!ending.aborted) log.warn('an event stream broke off', { job: first.record.id, error });
  }
}

/** Where the job stands in the queue, as the caller was told last. */
interface Place {
  ahead: number | null;
}

/** That a waiting job stands elsewhere by now: of that there is no event. */
async function moved({ ledger }: Deps, id: string, place: Place): Promise<string | undefined> {
  if (place.ahead === null) return undefined;
  const now = await ledger.jobs.get(id).catch(() => undefined);
  if (now === undefined || now.ahead === null || now.ahead === place.ahead) return undefined;
  place.ahead = now.ahead;
  return statusEvent(now);
}

function statusEvent({ record, ahead }: JobSnapshot): string {
  return serverSentEvent('status', { status: record.status, queue_position: ahead });
}

/** The outputs of a job that has them, and its state. */
function* told({ config }: Deps, snapshot: JobSnapshot, links: Links): Generator<string> {
  const { record } = snapshot;
  for (const index of record.outputs.keys()) {
    yield serverSentEvent('output', presentOutput(config, record, index, links));
  }
  yield statusEvent(snapshot);
}
