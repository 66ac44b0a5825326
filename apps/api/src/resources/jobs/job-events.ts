import { isTerminal } from '@comfy-fleet/contracts';
import { compareEventIds, isEventId, type JobSnapshot, presentProgress } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { followJob, jobMessages } from '../../orders/follow-job.js';
import { presentSnapshot } from '../../orders/order-job.js';
import type { Handler } from '../../server/messages.js';
import { eventStream, serverSentEvent } from '../../server/server-sent-events.js';

/**
 * A job as a stream of server-sent events: `status` with the whole job, at first and at every change of state;
 * `progress`; `preview` with a picture of the unfinished work in base64; `output` with its files. The stream ends after
 * the terminal `status`. A client that reconnects gets the current job, which contains everything that it missed. One that
 * already has the end (Last-Event-ID) gets 204, at which an EventSource stops reconnecting.
 */
export function jobEvents(deps: Deps): Handler {
  return async (request) => {
    const { header, query, caller } = request;
    const followed = await followJob(deps, request);
    if (hasEnd(header('last-event-id'), followed.first)) return { status: 204 };
    // A caller with a signed link gets no links that are valid for longer than that one.
    const expires = caller === undefined ? Number(query.get('expires')) : undefined;
    const messages = jobMessages(deps, request, followed, {
      state: async function* (snapshot) {
        const job = await presentSnapshot(deps, snapshot, caller, expires);
        const { outputs, images } = job;
        if (outputs.length > 0) yield serverSentEvent('output', { outputs, images });
        yield serverSentEvent('status', job, snapshot.lastEventId);
      },
      progress: (progress, id) => serverSentEvent('progress', presentProgress(progress), id),
      preview: ({ contentType, data }) => serverSentEvent('preview', { content_type: contentType, data }),
    });
    return eventStream(messages, deps.heartbeatMs);
  };
}

function hasEnd(lastEventId: string | undefined, { record, lastEventId: newest }: JobSnapshot): boolean {
  if (lastEventId === undefined || !isEventId(lastEventId) || !isTerminal(record.status)) return false;
  return compareEventIds(lastEventId, newest) >= 0;
}
