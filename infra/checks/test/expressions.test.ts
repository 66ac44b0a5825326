import { existsSync, readdirSync } from 'node:fs';
import { parseSync, Visitor } from 'oxc-parser';
import { analyse } from 'scslre';
import { expect, it } from 'vitest';
import { ROOT, textOf } from './support/files.js';

interface Expression {
  readonly path: string;
  readonly source: string;
  readonly flags: string;
}

function sources(): string[] {
  return ['apps', 'packages'].flatMap((folder) =>
    readdirSync(`${ROOT}/${folder}`).flatMap((name) => {
      const dir = `${folder}/${name}/src`;
      if (!existsSync(`${ROOT}/${dir}`)) return [];
      const files = readdirSync(`${ROOT}/${dir}`, { recursive: true, encoding: 'utf8' });
      return files.filter((file) => /\.tsx?$/.test(file)).map((file) => `${dir}/${file}`);
    }),
  );
}

async function expressionsIn(path: string): Promise<Expression[]> {
  const found: Expression[] = [];
  const visitor = new Visitor({
    Literal: (node) => {
      if ('regex' in node) found.push({ path, source: node.regex.pattern, flags: node.regex.flags });
    },
  });
  visitor.visit(parseSync(path, await textOf(path)).program);
  return found;
}

/** Whether there is a text that the expression takes quadratic or exponential time to reject. */
function isSlow({ source, flags }: Pick<Expression, 'source' | 'flags'>): boolean {
  return analyse({ source, flags }, { reportTypes: { Move: false } }).reports.length > 0;
}

it.each([
  ['^(\\d+\\.?\\d*|\\.\\d+)e$', true],
  ['^(\\d+(\\.\\d*)?|\\.\\d+)e$', false],
  ['^input:\\s*(.*?)\\s*$', true],
  ['^(a+)+$', true],
])('knows whether %s takes quadratic time: %s', (source, expected) => {
  expect(isSlow({ source, flags: '' })).toBe(expected);
});

it('finds no such regular expression in the sources, since callers choose the texts', async () => {
  const found = (await Promise.all(sources().map(expressionsIn))).flat();
  expect(found.length).toBeGreaterThan(400);
  expect(found.filter(isSlow)).toEqual([]);
});
