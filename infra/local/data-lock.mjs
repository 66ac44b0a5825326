import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Problem } from './problem.mjs';
import { processIdentity } from './process-identity.mjs';

/**
 * @typedef {{ name: string, pid: number, identity: string | undefined }} Known
 * @typedef {Known & { children: Known[], settings?: NodeJS.ProcessEnv }} Holder
 * @typedef {{
 *   leftovers: readonly Known[], record(name: string, pid: number): void, release(): void,
 *   publish(settings: NodeJS.ProcessEnv): void,
 * }} DataLock
 */

/**
 * Locks the data folder for this process, because two Redis servers on one append-only file would destroy it. Throws a Problem
 * if another running process has the lock. Takes over the lock of a dead process; `leftovers` are its children that still run,
 * which the caller must stop before it uses the data.
 * @param {string} dir
 * @param {string} startCommand
 * @returns {DataLock}
 */
export function takeData(dir, startCommand) {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'run.lock');
  /** @type {Holder} */
  const mine = { name: startCommand, pid: process.pid, identity: processIdentity(process.pid), children: [] };
  const leftovers = acquire(path, mine);
  const write = () => {
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, JSON.stringify(mine), { mode: 0o600 }); // REDIS_URL may have a password
    renameSync(fresh, path);
  };
  return {
    leftovers,
    record(name, pid) {
      const others = mine.children.filter((child) => child.name !== name); // a restarted process
      mine.children = [...others, { name, pid, identity: processIdentity(pid) }];
      write();
    },
    publish(settings) {
      mine.settings = settings;
      write();
    },
    release() {
      if (read(path)?.pid === process.pid) rmSync(path, { force: true });
    },
  };
}

/**
 * The settings that the process with the lock published, such as the port of its API; empty if there is no such process.
 * @param {string} dir
 * @returns {NodeJS.ProcessEnv}
 */
export function publishedSettings(dir) {
  const holder = read(join(dir, 'run.lock'));
  return holder !== undefined && isAlive(holder) ? (holder.settings ?? {}) : {};
}

/**
 * The id of the child that the process with the lock started under that name; undefined if it is not running.
 * @param {string} dir
 * @param {string} name
 * @returns {number | undefined}
 */
export function livingChild(dir, name) {
  const child = read(join(dir, 'run.lock'))?.children.find((one) => one.name === name);
  return child !== undefined && isAlive(child) ? child.pid : undefined;
}

/**
 * @param {string} path
 * @param {Holder} mine
 * @returns {Known[]}
 */
function acquire(path, mine) {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, JSON.stringify(mine));
  /** @type {Known[]} */
  const leftovers = [];
  try {
    for (;;) {
      try {
        linkSync(fresh, path); // fails if the lock exists; creates it with its whole content
        return leftovers;
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      }
      const holder = read(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new Problem(
          `Another ${holder.name} (process ${holder.pid}) is using ${dirname(path)}. Stop it first: Ctrl-C there, or kill ${holder.pid}`,
        );
      }
      leftovers.push(...removeStale(path, holder));
    }
  } finally {
    rmSync(fresh, { force: true });
  }
}

/**
 * Moves a stale lock away. If another process took over the lock meanwhile, puts its lock back.
 * @param {string} path
 * @param {Holder | undefined} seen
 * @returns {Known[]}
 */
function removeStale(path, seen) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const moved = read(aside);
    if (moved?.pid !== seen?.pid || moved?.identity !== seen?.identity) linkSync(aside, path);
    return (moved?.children ?? []).filter(isAlive);
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * @param {string} path
 * @returns {Holder | undefined}
 */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {Known} known */
function isAlive({ pid, identity }) {
  return identity !== undefined && processIdentity(pid) === identity;
}
