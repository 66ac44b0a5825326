import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../src/index.js';

const guide = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');
const [, ofRequests = '', ofJobs = ''] =
  /\n## Errors\n([\s\S]*?)\n### Errors of jobs\n([\s\S]*?)\n## /.exec(guide) ?? [];

/** The codes in the first column of a table, each with the second column. */
const rowsOf = (section: string) =>
  [...section.matchAll(/^\| `(\w+)` +\| (\S+)/gm)].map(([, code = '', second = '']) => ({ code, second }));

it('appears exactly once, for every error, in the tables of docs/api.md, which have no others', () => {
  const listed = [...rowsOf(ofRequests), ...rowsOf(ofJobs)].map(({ code }) => code);
  expect(listed.toSorted()).toEqual(Object.keys(ERROR_CATALOGUE).toSorted());
});

it('has its status there if it is an error of requests', () => {
  for (const { code, second } of rowsOf(ofRequests))
    expect(Number(second), code).toBe(ERROR_CATALOGUE[code as keyof typeof ERROR_CATALOGUE].status);
});
