import { readdirSync } from 'node:fs';
import { ROOT, textOf } from './files.js';

/** A page in Markdown. */
export interface Page {
  /** The path from the root of the repository. */
  readonly path: string;
  readonly lines: readonly string[];
  /** The lines outside code blocks. */
  readonly prose: readonly string[];
  /** The anchors that GitHub generates for the headings. */
  readonly anchors: ReadonlySet<string>;
}

/** Every page of documentation in the repository. */
export async function pages(): Promise<Page[]> {
  const docs = readdirSync(`${ROOT}/docs`, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  const paths = [
    'README.md',
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'infra/README.md',
    'workflows/README.md',
    'packages/telemetry/METRICS.md',
    ...docs.map((name) => `docs/${name}`).toSorted(),
  ];
  return Promise.all(paths.map(async (path) => pageOf(path, await textOf(path))));
}

function pageOf(path: string, text: string): Page {
  const lines = text.split('\n');
  let inCode = false;
  const prose = lines.filter((line) => {
    if (!/^\s*```/.test(line)) return !inCode;
    inCode = !inCode;
    return false;
  });
  return { path, lines, prose, anchors: anchorsOf(prose) };
}

function anchorsOf(prose: readonly string[]): Set<string> {
  const anchors = new Set<string>();
  for (const line of prose) {
    const [, heading] = /^#{1,6} (.+)$/.exec(line) ?? [];
    if (heading === undefined) continue;
    const plain = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '');
    const slug = plain.trim().replaceAll(' ', '-');
    let name = slug;
    for (let n = 1; anchors.has(name); n++) name = `${slug}-${n}`;
    anchors.add(name);
  }
  return anchors;
}

/** The targets of the links of a page. */
export function linksOf({ prose }: Page): string[] {
  const text = prose.join('\n').replaceAll(/`[^`]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The inline code of a page. */
export function codeOf({ prose }: Page): string[] {
  return [...prose.join('\n').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}
