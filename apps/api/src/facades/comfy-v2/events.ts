import { isTerminal } from '@comfy-fleet/contracts';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { followJob, jobMessages } from '../../orders/follow-job.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { eventStream, serverSentEvent } from '../../server/server-sent-events.js';
import { linksFor, presentOutput, presentProgress, progress } from './present.js';

/**
 * Sends the current `status` and `progress`, and then every change and `preview`. Each `output` is sent once, before the
 * terminal `status`, which ends the stream. Events have no ids: a client that reconnects gets the current state.
 */
export async function jobEvents(deps: Deps, request: ApiRequest): Promise<Reply> {
  const followed = await followJob(deps, request);
  const links = await linksFor(deps, request);
  const { first } = followed;
  /** The last queue position sent to the client. */
  let { ahead } = first;
  // No event reports a changed queue position.
  const moved = async () => {
    if (ahead === null) return undefined;
    const now = await deps.ledger.jobs.get(first.record.id).catch(() => undefined);
    if (now === undefined || now.ahead === null || now.ahead === ahead) return undefined;
    ahead = now.ahead;
    return statusEvent(now);
  };
  let node = first.record.progress;
  const messages = jobMessages(deps, request, followed, {
    state: function* (snapshot) {
      const { record } = snapshot;
      ahead = snapshot.ahead;
      for (const [index, output] of record.outputs.entries()) {
        yield serverSentEvent('output', presentOutput(deps.config, { record, index, output }, links));
      }
      yield statusEvent(snapshot);
      const begun = snapshot !== first || isTerminal(record.status) ? null : presentProgress(record);
      if (begun !== null) yield serverSentEvent('progress', begun);
    },
    progress: (now) => {
      node = now;
      return serverSentEvent('progress', progress(now));
    },
    preview: ({ contentType, data, nodeId = node.nodeId }) =>
      serverSentEvent('preview', { node_id: nodeId ?? '', content_type: contentType, data_base64: data }),
  });
  return { ...eventStream(messages, deps.heartbeatMs, moved), job: first.record.id };
}

function statusEvent({ record, ahead }: JobSnapshot): string {
  return serverSentEvent('status', { status: record.status, queue_position: ahead });
}
