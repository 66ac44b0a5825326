import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './container.js';
import { stagesOf } from './dockerfile.js';
import { ROOT, textOf } from './files.js';

/** Where it is kept between runs. */
const TOOLS = join(ROOT, '.data/test-tools');

/**
 * The Node of the images: what is right under one version of Node can be wrong under another. It is the one that runs this,
 * if that has their major version, else one from npm, which has it for Linux; elsewhere the one that runs this after all.
 * @returns its path
 */
export async function imageNode(): Promise<string> {
  const image = stagesOf(await textOf('infra/docker/api.Dockerfile')).at(-1)?.image ?? '';
  const major = /^node:(\d+)/.exec(image)?.[1];
  const isHere = process.versions.node.split('.')[0] === major;
  const isAtNpm = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  if (isHere || !isAtNpm) return process.execPath;

  const name = `node-linux-${process.arch}`;
  const kept = join(TOOLS, `${name}-${major}`);
  const program = join('node_modules', name, 'bin/node');
  if (await exists(join(kept, program))) return join(kept, program);
  await mkdir(TOOLS, { recursive: true });
  const fetched = await mkdtemp(join(TOOLS, 'fetching-'));
  try {
    const args = ['--prefix', fetched, '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...args, `${name}@${major}`], { cwd: fetched });
    // whole or not at all, also when another run does the same
    await rename(fetched, kept).catch((error: unknown) =>
      exists(kept).then((isThere) => isThere || Promise.reject(error)),
    );
  } finally {
    await rm(fetched, { recursive: true, force: true });
  }
  return join(kept, program);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
