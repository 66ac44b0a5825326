import { isTerminal } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { followJob, streamJob } from '../../orders/follow-job.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { serverSentEvent } from '../../server/server-sent-events.js';
import { linksFor, presentOutput, presentProgress, progress } from './present.js';

/**
 * Sends the current `status` and `progress`, and then every change and `preview`. Each `output` is sent once, before the
 * terminal `status`, which ends the stream. Events have no ids: a client that reconnects gets the current state.
 */
export async function jobEvents(deps: Deps, request: ApiRequest): Promise<Reply> {
  const followed = await followJob(deps, request);
  const links = await linksFor(deps, request);
  const { first } = followed;
  let node = first.record.progress;
  const reply = streamJob(deps, request, followed, {
    state: function* (snapshot) {
      const { record } = snapshot;
      for (const [index, output] of record.outputs.entries()) {
        yield serverSentEvent('output', presentOutput(deps.config, { record, index, output }, links));
      }
      yield serverSentEvent('status', { status: record.status, queue_position: snapshot.ahead });
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
  return { ...reply, job: first.record.id };
}
