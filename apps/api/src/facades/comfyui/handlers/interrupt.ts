import type { JobRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { ApiRequest, Handler } from '../../../server/messages.js';
import { promptIdOf } from '../present/prompt-id.js';
import { clientOf } from '../prompts/read-prompt.js';
import { byBeginning, isRunning } from './queue.js';

/**
 * Stops a job of the caller that runs: the one that `prompt_id` names, else the one of the client that asks, or of the key if
 * no client says who it is, that began first, which the queue lists as running. Always 200, as ComfyUI does it.
 */
export function interrupt({ ledger, heavyReads }: Deps): Handler {
  return async (request) => {
    const sent = request.body;
    const wanted = isRecord(sent) && sent.prompt_id ? sent.prompt_id : undefined;
    const client = clientIn(request, sent);
    const isMeant = (record: JobRecord) =>
      wanted === undefined ? client === undefined || record.client === client : promptIdOf(record) === wanted;
    const { id: key } = knownCaller(request.caller);
    const first = await heavyReads(key, async () => {
      let found: JobRecord | undefined;
      for await (const open of ledger.jobs.open(key)) {
        for (const record of open.filter(isRunning).filter(isMeant)) {
          if (found === undefined || byBeginning(record, found) < 0) found = record;
        }
      }
      return found;
    });
    if (first === undefined) return { status: 200 };
    await ledger.jobs.cancel(first.id);
    return { status: 200, job: first.id };
  };
}

function clientIn({ query }: ApiRequest, sent: unknown): string | undefined {
  return clientOf((isRecord(sent) ? sent.client_id : undefined) ?? query.get('clientId') ?? undefined);
}
