import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Downloaded packages are kept here between runs. */
const TOOLS = fileURLToPath(new URL('../../../.data/test-tools', import.meta.url));
const DOWNLOAD_MS = 240_000;
const run = promisify(execFile);

/**
 * The path of a Node with this major version: the running one if it matches, else one from npm, which only has Node for
 * Linux. On other systems the running one is used.
 */
export async function nodeOfMajor(major: number): Promise<string> {
  const isThis = process.versions.node.startsWith(`${major}.`);
  const isAtNpm = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  if (isThis || !isAtNpm) return process.execPath;
  return join(await npmPackage(`node-linux-${process.arch}`, `${major}`), 'bin/node');
}

/** The folder of a package that only tests use, as a tool. Neither its install scripts nor its peers are wanted. */
export async function npmPackage(name: string, version: string): Promise<string> {
  const kept = join(TOOLS, `${name.replaceAll('/', '-')}-${version}`);
  const folder = join(kept, 'node_modules', name);
  if (await exists(folder)) return folder;
  await mkdir(TOOLS, { recursive: true });
  const fetched = await mkdtemp(join(TOOLS, 'fetching-'));
  try {
    const args = ['--prefix', fetched, '--no-save', '--no-package-lock', '--ignore-scripts', '--legacy-peer-deps'];
    await run('npm', ['install', ...args, '--no-audit', '--no-fund', `${name}@${version}`], {
      cwd: fetched,
      timeout: DOWNLOAD_MS,
    });
    // Another run may have created the same folder meanwhile.
    await rename(fetched, kept).catch((error: unknown) =>
      exists(kept).then((isThere) => isThere || Promise.reject(error)),
    );
  } finally {
    await rm(fetched, { recursive: true, force: true });
  }
  return folder;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
