import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../src/index.js';

const guide = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');
const [, ofRequests = '', ofJobs = ''] =
  /\n## Errors\n([\s\S]*?)\n### Errors of jobs\n([\s\S]*?)\n## /.exec(guide) ?? [];

/** Codes in the first column of a table, each with the second column. */
const rowsOf = (section: string) =>
  [...section.matchAll(/^\| `(\w+)` +\| (\S+)/gm)].map(([, code = '', second = '']) => ({ code, second }));

it('has every error of the catalogue once in the tables of docs/api.md, and no other', () => {
  const listed = [...rowsOf(ofRequests), ...rowsOf(ofJobs)].map(({ code }) => code);
  expect(listed.toSorted()).toEqual(Object.keys(ERROR_CATALOGUE).toSorted());
});

it('is shown there with its status, if it is the error of a request', () => {
  for (const { code, second } of rowsOf(ofRequests))
    expect(Number(second), code).toBe(ERROR_CATALOGUE[code as keyof typeof ERROR_CATALOGUE].status);
});
