import type { FuzzAnswer, FuzzRequest } from '../../fuzz/client.js';
import { INTERNALS } from '../../fuzz/client.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Remembers to whom each id was shown first: it made it. */
export interface Owners {
  /** What is wrong with an answer to the key: it has what is of another key, and not of its own request. */
  crossing(key: string, request: FuzzRequest, answer: FuzzAnswer): string[];
}

/** `markers`: a text of each key that is in all that it sends. */
export function createOwners(markers: ReadonlyMap<string, string>): Owners {
  const owners = new Map<string, string>();
  return {
    crossing: (key, request, { text }) => {
      const said = `${decoded(request.path)} ${Object.values(request.headers).join(' ')} ${request.body?.toString('latin1') ?? ''}`;
      const faults = [...markers]
        .filter(([other, marker]) => other !== key && text.includes(marker))
        .map(([other]) => `has a text of ${other}`);
      for (const [id] of text.matchAll(UUID)) {
        if (said.includes(id)) continue;
        const owner = owners.get(id) ?? key;
        owners.set(id, owner);
        if (owner !== key) faults.push(`has ${id} of ${owner}`);
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

/** What is wrong with an answer whoever asked; a full queue is no fault. */
export function answerFaults(path: string, method: string, { status, text }: FuzzAnswer): string[] {
  const isFull = status === 503 && /queue|overloaded/.test(text);
  if (status >= 500 && !isFull) return [`${status}: ${text.slice(0, 300)}`];
  if (status < 400) return [];
  const leak = INTERNALS.exec(text)?.[0];
  const told = leak === undefined ? [] : [`tells "${leak}": ${text.slice(0, 300)}`];
  return method === 'HEAD' ? told : [...told, ...shapeFaults(path, status, text)];
}

/** Of the two APIs that have a shape for every error. */
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
    : [`${status} has another shape: ${text.slice(0, 300)}`];
}
