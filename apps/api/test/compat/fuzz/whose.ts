import type { FuzzAnswer, FuzzRequest } from '../../fuzz/client.js';
import { INTERNALS } from '../../fuzz/client.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Remembers which key each id was first sent to. That key created it. */
export interface Owners {
  /** Lists markers and ids of other keys in a response, except ids that the request itself contained. */
  crossing(key: string, request: FuzzRequest, answer: FuzzAnswer): string[];
}

/** `markers`: for each key, a text that is in everything it sends. */
export function createOwners(markers: ReadonlyMap<string, string>): Owners {
  const owners = new Map<string, string>();
  return {
    crossing: (key, request, { text }) => {
      const sent = `${decoded(request.path)} ${Object.values(request.headers).join(' ')} ${request.body?.toString('latin1') ?? ''}`;
      const faults = [...markers]
        .filter(([other, marker]) => other !== key && text.includes(marker))
        .map(([other]) => `contains the marker of ${other}`);
      for (const [id] of text.matchAll(UUID)) {
        if (sent.includes(id)) continue;
        const owner = owners.get(id) ?? key;
        owners.set(id, owner);
        if (owner !== key) faults.push(`contains ${id} of ${owner}`);
      }
      return faults;
    },
  };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Lists faults of a response that do not depend on the key. A full queue is not a fault. */
export function answerFaults(path: string, method: string, { status, text }: FuzzAnswer): string[] {
  const isFull = status === 503 && /queue|overloaded/.test(text);
  if (status >= 500 && !isFull) return [`${status}: ${text.slice(0, 300)}`];
  if (status < 400) return [];
  const leak = INTERNALS.exec(text)?.[0];
  const leaks = leak === undefined ? [] : [`reveals "${leak}": ${text.slice(0, 300)}`];
  return method === 'HEAD' ? leaks : [...leaks, ...shapeFaults(path, status, text)];
}

/** Checks the fields of errors of the two APIs that use one format for all errors. */
function shapeFaults(path: string, status: number, text: string): string[] {
  const fields = /^\/v1(\/|$|\?)/.test(path)
    ? ['code', 'message', 'param', 'type']
    : /^\/api\/v2(\/|$|\?)/.test(path)
      ? ['code', 'details', 'message']
      : undefined;
  if (fields === undefined) return [];
  const { error } = JSON.parse(text) as { error?: object };
  return Object.keys(error ?? {})
    .sort()
    .join() === fields.join()
    ? []
    : [`${status} has the wrong fields: ${text.slice(0, 300)}`];
}
