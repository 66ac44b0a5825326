import { Readable } from 'node:stream';
import { isTerminal } from '@comfy-fleet/contracts';
import { compareEventIds, type JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { type FollowedJob, followJob } from '../../orders/order-job.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { serverSentEvent, withHeartbeat } from '../../server/server-sent-events.js';
import { type Links, linksFor, presentOutput, presentProgress, progress } from './present.js';

/**
 * `status`, `progress` and `preview` as they are now, and then as they change; each `output` once, before the terminal
 * `status`, with which the stream ends. Events have no ids: a client that returns gets the present state.
 */
export async function jobEvents(deps: Deps, request: ApiRequest): Promise<Reply> {
  const followed = await followJob(deps, request);
  const links = await linksFor(deps, request);
  const { id } = followed.first.record;
  /** The position in the queue that the client was last sent. */
  const sent = { ahead: followed.first.ahead };
  // The job has no event for a change of its position.
  const moved = async () => {
    if (sent.ahead === null) return undefined;
    const now = await deps.ledger.jobs.get(id).catch(() => undefined);
    if (now === undefined || now.ahead === null || now.ahead === sent.ahead) return undefined;
    sent.ahead = now.ahead;
    return statusEvent(now);
  };
  const messages = withHeartbeat(messagesOf(deps, request, followed, links, sent), deps.heartbeatMs, moved);
  const headers = { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' };
  return { status: 200, headers, body: Readable.from(messages), job: id };
}

async function* messagesOf(
  deps: Deps,
  { log }: ApiRequest,
  followed: FollowedJob,
  links: Links,
  sent: { ahead: number | null },
) {
  const { first, items, ending } = followed;
  let newest = first;
  let node = first.record.progress;
  try {
    yield* stateEvents(deps, newest, links);
    const begun = isTerminal(newest.record.status) ? null : presentProgress(newest.record);
    if (begun !== null) yield serverSentEvent('progress', begun);
    for await (const item of items) {
      if (item.kind === 'preview') {
        const { contentType, data, nodeId = node.nodeId } = item.preview;
        yield serverSentEvent('preview', { node_id: nodeId ?? '', content_type: contentType, data_base64: data });
        continue;
      }
      // The job that was sent last contains everything up to its last event.
      if (item.kind === 'snapshot' || compareEventIds(item.id, newest.lastEventId) <= 0) continue;
      if (item.event.type === 'progress') {
        node = item.event.progress;
        yield serverSentEvent('progress', progress(node));
        continue;
      }
      newest = (await deps.ledger.jobs.get(first.record.id)) ?? newest;
      sent.ahead = newest.ahead;
      yield* stateEvents(deps, newest, links);
      if (isTerminal(newest.record.status)) return;
    }
  } catch (error) {
    // Clients poll, and open another stream.
    if (!ending.aborted) log.warn('an event stream broke off', { job: first.record.id, error });
  }
}

function statusEvent({ record, ahead }: JobSnapshot): string {
  return serverSentEvent('status', { status: record.status, queue_position: ahead });
}

function* stateEvents({ config }: Deps, snapshot: JobSnapshot, links: Links): Generator<string> {
  const { record } = snapshot;
  for (const [index, output] of record.outputs.entries()) {
    yield serverSentEvent('output', presentOutput(config, { record, index, output }, links));
  }
  yield statusEvent(snapshot);
}
