import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Problem } from './problem.mjs';
import { findProgram } from './redis-binary.mjs';

/**
 * @param {{ env: NodeJS.ProcessEnv, platform?: NodeJS.Platform }} machine
 * @returns {string | undefined} the path of apt-get, on Debian and derived systems
 */
export function findApt({ env, platform = process.platform }) {
  return platform === 'linux' ? findProgram('apt-get', env) : undefined;
}

/**
 * Installs packages; requires root. Throws a Problem if apt-get fails.
 * @param {string} apt
 * @param {readonly string[]} packages
 * @param {{ env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run }} means
 */
export async function aptInstall(apt, packages, { env, run }) {
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', apt, ['update', '-q'], quiet);
  await run('apt-get', apt, ['install', '-y', '-q', '--no-install-recommends', ...packages], quiet);
}

/** The folder, below the project's, in which packages that cannot be installed are unpacked, each in its own folder. */
export const PACKAGES_DIR = '.data/packages';
/** The depth to which dependencies are followed. */
const ROUNDS = 12;
const LIBRARIES = /^lib/;

/**
 * @typedef {{ packages: readonly string[], programs?: readonly string[], needs?: RegExp }} Wanted Debian packages, and
 *   their programs to run. `needs` matches the dependencies to fetch (default: libraries), which stops as soon as the programs
 *   find all libraries; without programs, all matching dependencies are fetched
 * @typedef {{ env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run }} Means
 */

/**
 * Provides programs of Debian packages without installing them, and so without root: downloads the packages and missing
 * dependencies, unpacks them in `dir`, and creates a folder `bin` there for the PATH. Throws a Problem if that fails, and then
 * leaves `dir` unchanged.
 * @param {string} apt the path of apt-get
 * @param {Wanted} wanted
 * @param {string} dir
 * @param {Means} means
 */
export async function aptUnpack(apt, { packages, programs = [], needs = LIBRARIES }, dir, { env, run }) {
  const work = `${dir}.${process.pid}`;
  const files = join(work, 'files');
  const debs = join(work, 'debs');
  try {
    for (const each of [join(work, 'state/lists/partial'), join(work, 'cache/archives/partial'), files, debs]) {
      mkdirSync(each, { recursive: true });
    }
    const options = aptOptions(work);
    await run('apt-get', apt, [...options, '-qq', 'update'], env);
    /** @type {Set<string>} */
    const had = new Set();
    let next = [...packages];
    for (let round = 0; next.length > 0 && round < ROUNDS; round += 1) {
      for (const name of next) had.add(name);
      // apt-get downloads to the current folder.
      await run(
        'apt-get',
        '/bin/sh',
        ['-c', 'cd "$0" && exec "$@"', debs, apt, ...options, '-qq', 'download', ...next],
        env,
      );
      for (const deb of readdirSync(debs)) {
        await run('dpkg', 'dpkg-deb', ['-x', join(debs, deb), files], env);
        rmSync(join(debs, deb));
      }
      if (programs.length > 0 && (await missingLibraries(files, programs, env)).length === 0) break;
      const needed = await Promise.all(next.map((name) => dependencies(name, options, env)));
      const more = [...new Set(needed.flat())].filter((name) => needs.test(name) && !had.has(name));
      const here = await Promise.all(more.map((name) => isInstalled(name, env)));
      next = more.filter((_name, n) => !here[n]);
    }
    const missing = await missingLibraries(files, programs, env);
    if (missing.length > 0) throw new Problem(`${packages.join(', ')} lack ${missing.join(', ')} here.`);
    writePrograms(join(work, 'bin'), programs, join(dir, 'files'), libraryDirs(files));
    for (const each of ['state', 'cache', 'debs']) rmSync(join(work, each), { recursive: true });
    rmSync(dir, { recursive: true, force: true });
    renameSync(work, dir);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Options for separate package lists and downloads, because the system's belong to root. The status of installed packages is
 * readable for everybody.
 * @param {string} work
 */
function aptOptions(work) {
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(work, 'cache'),
    'Debug::NoLocking': '1',
    'Acquire::Languages': 'none',
    // Root may be in a container that lacks apt's user.
    'APT::Sandbox::User': '',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/**
 * @param {string} name of a package
 * @param {readonly string[]} options apt's
 * @param {NodeJS.ProcessEnv} env
 */
async function dependencies(name, options, env) {
  const { stdout } = await promisify(execFile)('apt-cache', [...options, 'depends', name], { env });
  // For a virtual package, in angle brackets, take the first of the providers below it.
  const needed = /^ [ |](?:Pre)?Depends: (?:<\S+>\n {4}(\S+)|([^<\s]+))$/gm;
  return [...stdout.matchAll(needed)].map(([, provider, own]) => provider ?? own ?? '');
}

/**
 * @param {string} name of a package
 * @param {NodeJS.ProcessEnv} env
 */
async function isInstalled(name, env) {
  const { stdout } = await promisify(execFile)('dpkg-query', ['-s', name], { env }).catch(() => ({ stdout: '' }));
  return /^Status: .* installed$/m.test(stdout);
}

/**
 * The file names of libraries that the loader does not find.
 * @param {string} files
 * @param {readonly string[]} programs
 * @param {NodeJS.ProcessEnv} env
 */
async function missingLibraries(files, programs, env) {
  const LD_LIBRARY_PATH = libraryDirs(files)
    .map((each) => join(files, each))
    .join(':');
  const found = await Promise.all(
    programs.map(async (program) => {
      const path = join(files, 'usr/bin', program);
      if (!existsSync(path)) return [basename(path)];
      // ldd fails for a program without libraries.
      const { stdout } = await promisify(execFile)('ldd', [path], { env: { ...env, LD_LIBRARY_PATH } }).catch(() => ({
        stdout: '',
      }));
      return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, library = '']) => library);
    }),
  );
  return [...new Set(found.flat())];
}

/**
 * @param {string} files
 * @returns {string[]} relative to `files`
 */
function libraryDirs(files) {
  const bases = ['usr/lib', 'lib'].filter((base) => existsSync(join(files, base)));
  return bases.flatMap((base) => {
    const own = readdirSync(join(files, base)).filter((name) => /-linux-gnu/.test(name));
    return [base, ...own.map((name) => join(base, name))];
  });
}

/**
 * @param {string} bin
 * @param {readonly string[]} programs
 * @param {string} files the final folder of the files
 * @param {readonly string[]} libraries folders, relative to `files`
 */
function writePrograms(bin, programs, files, libraries) {
  mkdirSync(bin);
  const paths = libraries.map((each) => join(files, each)).join(':');
  for (const program of programs) {
    const lines = [
      '#!/bin/sh',
      `LD_LIBRARY_PATH=${quoted(paths)}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`,
      'export LD_LIBRARY_PATH',
      `exec ${quoted(join(files, 'usr/bin', program))} "$@"`,
    ];
    writeFileSync(join(bin, program), `${lines.join('\n')}\n`);
    chmodSync(join(bin, program), 0o755);
  }
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
