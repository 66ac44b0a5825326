import type { Request } from 'autocannon';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, startApiStack } from './api-stack.js';
import { startBare } from './bare.js';
import { drawSeed, job, orders } from './bodies.js';
import { fill } from './fill.js';
import { inTurns, type Ratio, type RatioOptions } from './in-turns.js';

const JOBS = 200;
const BARE = 'bare Express';

/** The API beside the bare server. */
export function measureRatios(all: Scope, options: RatioOptions): Promise<readonly Ratio[]> {
  return all.inner(async (scope) => {
    const { core } = options;
    const stack = await startApiStack(scope, { core });
    const ids = await fill(stack, JOBS);
    const answers: Record<string, string> = { made: await stack.ask('POST', '/generate', job(0)) };
    for (const id of ids) answers[id] = await stack.ask('GET', `/jobs/${id}`);
    const bare = await startBare(scope, stack, { core, answers });
    await requireSame(stack, bare, ids);
    const measured = (what: string, requests: readonly Request[]) => {
      const service = { what, server: stack, requests };
      return inTurns(scope, { service, beside: { what: BARE, server: bare, requests }, key: stack.key }, options);
    };
    const reading = await measured(
      'GET /jobs/:id',
      ids.map((id) => ({ method: 'GET', path: `/jobs/${id}` })),
    );
    return [
      reading,
      await measured(
        'POST /generate',
        orders('/generate', () => job(drawSeed())),
      ),
    ];
  });
}

/** What is compared has to be the same. */
async function requireSame(stack: ApiStack, bare: { readonly url: string }, ids: readonly string[]): Promise<void> {
  const path = `/jobs/${ids[0]}`;
  const answer = await fetch(`${bare.url}${path}`, { signal: AbortSignal.timeout(5000) });
  const [ours, its] = [await stack.ask('GET', path), await answer.text()];
  if (ours !== its) throw new Error(`the bare server answers other bytes:\n${its}\nthan the API:\n${ours}`);
}
