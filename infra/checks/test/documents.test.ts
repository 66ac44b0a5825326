import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, SETTINGS, textOf } from './support/files.js';
import { codeOf, linksOf, type Page, pages } from './support/markdown.js';

const all = await pages();
const byPath = new Map(all.map((page) => [page.path, page]));

/** The faults that `find` returns, each with its page. */
const faults = (find: (page: Page) => readonly string[]) =>
  all.flatMap((page) => find(page).map((fault) => `${page.path}: ${fault}`));

/** The target of a link as a path from the root of the repository. */
const targetOf = ({ path }: Page, file: string) =>
  file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file));

it('has no broken links', () => {
  const broken = faults((page) =>
    linksOf(page).filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = targetOf(page, file);
      if (anchor !== undefined) return byPath.get(target)?.anchors.has(anchor) !== true;
      return !existsSync(`${ROOT}/${target}`);
    }),
  );
  expect(broken).toEqual([]);
});

it('has only pages that links from README.md reach', () => {
  const reached = new Set(['README.md']);
  for (const path of reached) {
    const page = byPath.get(path);
    for (const link of page === undefined ? [] : linksOf(page)) {
      const [file = ''] = link.split('#');
      if (page !== undefined && byPath.has(targetOf(page, file))) reached.add(targetOf(page, file));
    }
  }
  expect(all.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
});

it('names only files and folders of the project that exist', () => {
  const path = /^(apps|packages|infra|docs|workflows)\/[\w./-]+$/;
  expect(faults((page) => codeOf(page).filter((code) => path.test(code) && !existsSync(`${ROOT}/${code}`)))).toEqual(
    [],
  );
});

it('names only npm scripts that exist', async () => {
  const { scripts } = JSON.parse(await textOf('package.json')) as { scripts: Record<string, string> };
  const commandsOf = ({ lines }: Page) =>
    [...lines.join('\n').matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name = '']) => name);
  expect(faults((page) => commandsOf(page).filter((name) => scripts[name] === undefined))).toEqual([]);
});

/** Environment variables of other programs and of our clients, and those that the restart command gets. */
const OF_OTHERS =
  /^(AWS_|OTEL_|XDG_|IMAGE_GEN_OAI_|OPENAI_(BASE_URL|API_KEY)$|COMFY_FLEET_(INSTANCE|URL|REASON|KEY|PROFILE)$|CUDA_VISIBLE_DEVICES$)/;

it('names only settings that exist', () => {
  const variable = /^[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]$/;
  const unknown = (name: string) => variable.test(name) && !SETTINGS.has(name) && !OF_OTHERS.test(name);
  expect(faults((page) => codeOf(page).filter(unknown))).toEqual([]);
});

it('shows the levels of detail of workflows/lod-profiles.json', async () => {
  const profiles = JSON.parse(await textOf('workflows/lod-profiles.json')) as Record<string, Record<string, unknown>>;
  const rows = (await textOf('docs/workflows.md')).matchAll(
    /^\| (\w+) +\| (\d+) +\| (\S+) +\| (.+?) +\| ×(\S+) +\| (\S+) +\|$/gm,
  );
  const shown = [...rows].map(([, lod, steps, cfg, noise, scale, denoise]) => {
    const [sampler, scheduler] = noise?.split(' / ') ?? [];
    return [
      lod,
      { steps: Number(steps), cfg: Number(cfg), sampler, scheduler, scale: Number(scale), denoise: Number(denoise) },
    ];
  });
  const theirs = Object.entries(profiles).map(([lod, { steps, cfg, sampler, scheduler, scale, denoise }]) => [
    lod,
    { steps, cfg, sampler, scheduler, scale, denoise },
  ]);
  expect(shown).toEqual(theirs);
});

it('states what each client method returns', async () => {
  const rows = (await textOf('docs/clients.md')).split('\n').filter((line) => /^\|.*(fleet|job)\./.test(line));
  const returned = rows.map((row) => row.split(' | ')[3]?.replace(/\|$/, '').trim() ?? '');
  expect(rows.length).toBeGreaterThan(15);
  expect(rows.filter((_row, index) => returned[index] === '')).toEqual([]);
});
