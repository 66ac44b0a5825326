import { type NodeErrors, showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { submitJobs } from '../../../orders/submit-jobs.js';
import { knownCaller } from '../../../server/caller.js';
import type { Handler } from '../../../server/messages.js';
import { numberOf } from '../present/numbering.js';
import { promptIdOf } from '../present/prompt-id.js';
import { promptSpec } from './prompt-spec.js';
import { readPrompt } from './read-prompt.js';

/**
 * Makes a durable job of a prompt, under the caller's own id if it brings one. Sent again with an id that a job of the caller
 * still has, it makes no other.
 */
export function postPrompt(deps: Deps): Handler {
  return async (request) => {
    const prompt = readPrompt(request.body);
    let nodeErrors: NodeErrors = {};
    const { only } = await submitJobs(deps, request, prompt, async () => {
      const made = await promptSpec(deps, prompt, knownCaller(request.caller));
      nodeErrors = made.nodeErrors;
      return [made.spec];
    });
    if (only === undefined) throw new Error('a prompt was accepted whose job is not there');
    const { record } = only;
    const answer = { prompt_id: promptIdOf(record), number: numberOf(record, prompt), node_errors: nodeErrors };
    return { status: 200, body: showJson(answer), job: record.id };
  };
}
