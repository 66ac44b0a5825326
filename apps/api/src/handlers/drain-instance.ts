import { changeHalt } from '../admin/change-halt.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';

/**
 * Has one instance be given no more prompts, or take jobs again. Its name is `<worker>/<n>`: two segments of the path, or
 * one in which the slash is encoded.
 */
export function drainInstance(deps: Deps, action: 'drain' | 'resume'): Handler {
  return changeHalt(deps, action, ({ params: { instance, worker, n } }) => ({
    kind: 'instance',
    name: instance ?? `${worker}/${n}`,
  }));
}
