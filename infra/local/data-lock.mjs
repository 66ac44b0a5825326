import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Problem } from './problem.mjs';
import { processIdentity } from './process-identity.mjs';

/**
 * @typedef {{ name: string, pid: number, identity: string | undefined }} Known
 * @typedef {Known & { children: Known[], settings?: Record<string, string> }} Holder
 * @typedef {{
 *   leftovers: readonly Known[], record(name: string, pid: number): void, release(): void,
 *   tell(settings: Record<string, string>): void,
 * }} DataLock
 */

/**
 * Takes the data folder for this process: two Redis servers on one append-only file would destroy it. Throws a Problem
 * when another living run has it. A dead run's lock is taken over; what that run started and still lives is in
 * `leftovers`, for the caller to end before using the data.
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
    writeFileSync(fresh, JSON.stringify(mine));
    renameSync(fresh, path);
  };
  return {
    leftovers,
    record(name, pid) {
      const others = mine.children.filter((child) => child.name !== name); // it has been started again
      mine.children = [...others, { name, pid, identity: processIdentity(pid) }];
      write();
    },
    tell(settings) {
      mine.settings = settings;
      write();
    },
    release() {
      if (read(path)?.pid === process.pid) rmSync(path, { force: true });
    },
  };
}

/**
 * The settings that the run told which has the data folder now, for whoever wants to find what it started; none when
 * there is no such run.
 * @param {string} dir
 * @returns {Record<string, string>}
 */
export function toldSettings(dir) {
  const holder = read(join(dir, 'run.lock'));
  return holder !== undefined && isAlive(holder) ? (holder.settings ?? {}) : {};
}

/**
 * The process that the present run started under that name; undefined when it is not alive.
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
        linkSync(fresh, path); // fails if there is one, and what it makes is complete at once
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
 * Moves the dead lock away. Should another run have taken it over in between, its lock is put back.
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
