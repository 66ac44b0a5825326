import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { showJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { graphPool } from '../../../orders/graph-spec.js';
import { type Caller, knownCaller } from '../../../server/caller.js';
import type { Handler } from '../../../server/messages.js';
import { exactJson } from '../../../workflows/exact-json.js';
import { JSON_TYPE } from '../answer-text.js';
import { shownClass } from './shown-class.js';

/** Names of uploads that are listed where a node loads a file. */
const MOST_UPLOADS = 1000;
/** Characters that are sent at once. */
const PIECE = 64 * 1024;

/**
 * What all instances together have that graphs of callers go to, class by class; files to choose from are the caller's own.
 * Its entity tag is of what is known before anything of it is read.
 */
export function objectInfo(deps: Deps): Handler {
  return async ({ caller: asking, header }) => {
    const caller = knownCaller(asking);
    const pool = graphPool(deps);
    const [digests, uploads] = await Promise.all([deps.ledger.fleet.digests(pool), uploadsOf(deps, caller)]);
    const etag = `"${digestOf([...digests, '', ...uploads])}"`;
    const headers = { ...JSON_TYPE, ETag: etag, 'Cache-Control': 'private, no-cache' };
    if (header('if-none-match') === etag) return { status: 304, headers };
    return { status: 200, headers, body: Readable.from(inTurn(deps, caller, pieces(deps, pool, uploads))) };
  };
}

async function* inTurn({ computing }: Deps, { id }: Caller, texts: AsyncGenerator<string>): AsyncGenerator<string> {
  const next = () => computing(id, () => texts.next());
  for (let step = await next(); !step.done; step = await next()) yield step.value;
}

async function* pieces({ ledger }: Deps, pool: string, uploads: readonly string[]): AsyncGenerator<string> {
  let text = '{';
  let isFirst = true;
  for await (const [name, description] of ledger.fleet.everything(pool)) {
    text += `${isFirst ? '' : ','}${JSON.stringify(name)}:${showJson(shownClass(description, uploads))}`;
    isFirst = false;
    if (text.length < PIECE) continue;
    yield text;
    text = '';
  }
  yield `${text}}`;
}

/** One class; `{}` for one that no instance has. */
export function objectInfoOf(deps: Deps): Handler {
  return async ({ caller, params: { name = '' } }) => {
    const catalogue = await deps.ledger.fleet.catalogue(graphPool(deps), [name]);
    if (catalogue === undefined || !Object.hasOwn(catalogue, name)) return { status: 200, body: {} };
    return exactJson(200, { [name]: shownClass(catalogue[name], await uploadsOf(deps, knownCaller(caller))) });
  };
}

function uploadsOf({ ledger }: Deps, { id }: Caller): Promise<readonly string[]> {
  return ledger.assets.names(id, MOST_UPLOADS);
}

function digestOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 32);
}
