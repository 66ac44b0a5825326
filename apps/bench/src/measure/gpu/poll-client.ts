import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { emptyImageGraph } from '../../lib/empty-image.js';
import type { Scope } from '../../lib/scope.js';
import { connectDirectly } from './direct-feed.js';

const EVERY_MS = 1000;

/**
 * What most scripts do: submit a prompt, look every second whether it is done, submit the next. Resolves when all are
 * done, with a text that all their graphs have.
 */
export function pollClient(all: Scope, url: string, count: number): Promise<string> {
  return all.inner(async (scope) => {
    const comfy = await connectDirectly(scope, url);
    const text = `poll ${randomUUID()}`;
    for (let color = 1; color <= count; color++) {
      const id = await comfy.submit((prefix) => emptyImageGraph({ text, color, prefix }));
      do await delay(EVERY_MS);
      while (!(await comfy.hasEnded(id)));
    }
    return text;
  });
}
