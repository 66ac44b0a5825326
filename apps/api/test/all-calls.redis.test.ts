import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ApiRoute } from '../src/openapi/route.js';
import { routes } from '../src/resources/routes.js';
import { type Access, scopeOf } from '../src/server/gate.js';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

/** `npm run docs:calls` updates the part of this file after MARK. */
const GUIDE = '../../../docs/api.md';
const MARK = '<!-- Written by `npm run docs:calls` from the routes in apps/api/src/resources. -->\n';
const NOBODY = '0198b5c0-0000-7000-8000-000000000000';
const SCOPES = ['jobs', 'graphs', 'admin'] as const;

let api: TestApi;
let all: readonly ApiRoute[];

beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: SCOPES.map((scope) => aKey(scope, { scopes: [scope] })) });
  all = routes(api.deps);
});
afterAll(() => api.close());

function callerOf(access: Access): string {
  if (access === 'public' || access === 'optional') return 'everyone';
  if (access === 'known') return 'any key';
  return `\`${scopeOf(access)}\`${access === 'linked' ? ', or a signed URL' : ''}`;
}

/** Routes with more query parameters end in `…`, so that the table does not get too wide. */
const MOST_PARAMETERS = 3;

function row({ method, path, access, summary, query }: ApiRoute): string[] {
  const names = Object.keys(query?.properties ?? {}).map((name) => `\`?${name}\``);
  const shown = names.length > MOST_PARAMETERS ? [...names.slice(0, MOST_PARAMETERS), '…'] : names;
  const about = shown.length === 0 ? summary : `${summary} (${shown.join(', ')})`;
  return [`\`${method} ${path}\``, callerOf(access), about];
}

/** A Markdown table, padded as the formatter does it. */
function table(rows: readonly string[][]): string {
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [head, widths.map((width) => '-'.repeat(width)), ...body].map(line).join('\n');
}

it('lists each route in the API guide with the scope that it needs', async () => {
  const [written] = (await readFile(new URL(GUIDE, import.meta.url), 'utf8')).split(MARK);
  const tables = [...new Set(all.map(({ tag }) => tag))].map((tag) => {
    const rows = all.filter((route) => route.tag === tag).map(row);
    return `\n${tag.description}\n\n${table([['call', 'needs', 'what it does'], ...rows])}\n`;
  });
  await expect([written, MARK, ...tables].join('')).toMatchFileSnapshot(GUIDE);
});

it('answers 401 to a request without a key, and 403 to a key without the scope of the route', async () => {
  const expected = (access: Access, scope: string | undefined) => {
    if (access === 'public' || access === 'optional') return undefined;
    if (scope === undefined) return 401;
    return access === 'known' || scopeOf(access) === scope ? undefined : 403;
  };
  for (const { method, path, access } of all) {
    for (const scope of [undefined, ...SCOPES]) {
      const init = { method, ...(scope === undefined ? {} : as(scope)) };
      const answer = await api.get(path.replaceAll(/:\w+/g, NOBODY), init);
      const isRefused = answer.status === 401 || answer.status === 403;
      const refused = isRefused ? [answer.status, (await problemOf(answer)).code] : [undefined];
      const status = expected(access, scope);
      const code = status === undefined ? [] : [status === 401 ? 'unauthorized' : 'forbidden'];
      expect([method, path, scope, ...refused]).toEqual([method, path, scope, status, ...code]);
      if (status === 401) expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
  }
});
