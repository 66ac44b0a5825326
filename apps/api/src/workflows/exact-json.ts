import { showJson } from '@comfy-fleet/workflows';
import type { Reply } from '../server/messages.js';

/** An answer in which whole numbers are exact beyond 2^53: seeds of graphs, and the bounds of inputs. */
export function exactJson(status: number, value: object, headers: Reply['headers'] = {}): Reply {
  return { status, headers, body: showJson(value) };
}
