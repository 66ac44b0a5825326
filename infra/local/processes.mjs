import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { joinSignals } from './join-signals.mjs';

const TAIL_LINES = 15;

/**
 * A running child. `exited` never rejects.
 * @typedef {{ code: number | null, signal: NodeJS.Signals | null, error?: Error }} Exit
 * @typedef {{
 *   name: string, pid: number | undefined, exited: Promise<Exit>, hasExited(): boolean, tail(): string[],
 *   stop(graceMs: number, force?: AbortSignal): Promise<void>,
 * }} Child
 */

/**
 * Windows has neither process groups nor SIGTERM: Ctrl-C reaches all processes of the terminal at once, and every signal that
 * we send kills.
 */
export const HAS_GROUPS = process.platform !== 'win32';

/**
 * Starts a command as the leader of a new process group, so that Ctrl-C in the terminal does not reach it directly, and
 * stopping it also stops its children.
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, onLine: (line: string) => void }} options
 * @returns {Child}
 */
export function launch(name, command, args, { cwd, env, onLine }) {
  const child = spawn(command, args, { cwd, env, detached: HAS_GROUPS, stdio: ['ignore', 'pipe', 'pipe'] });
  /** @type {string[]} */
  const tail = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      onLine(line);
    });
  }
  /** @type {Exit | undefined} */
  let exit;
  /** @type {Promise<Exit>} */
  const exited = new Promise((resolve) => {
    /** @param {Exit} result */
    const done = (result) => {
      exit ??= result;
      resolve(exit);
    };
    child.once('error', (error) => done({ code: null, signal: null, error }));
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      // 'close' follows the last lines, but may never come if a grandchild keeps the pipe open.
      child.once('close', () => done({ code, signal }));
      setTimeout(() => done({ code, signal }), 500).unref();
    });
  });

  /** @type {Child['stop']} */
  const stop = async (graceMs, force) => {
    if (exit === undefined) {
      if (force?.aborted) signalGroup(child.pid, 'SIGKILL');
      else if (HAS_GROUPS) signalGroup(child.pid, 'SIGTERM');
      const over = joinSignals([force]);
      await Promise.race([exited, delay(graceMs, undefined, { signal: over.signal }).catch(() => undefined)]);
      over.abort();
    }
    signalGroup(child.pid, 'SIGKILL'); // the leader if it did not stop, and its remaining children
    await exited;
  };
  return { name, pid: child.pid, exited, hasExited: () => exit !== undefined, tail: () => [...tail], stop };
}

/**
 * @param {number | undefined} pid
 * @param {NodeJS.Signals} signal
 */
export function signalGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(HAS_GROUPS ? -pid : pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** @param {Exit} exit */
export function howItEnded({ code, signal, error }) {
  if (error !== undefined) return `could not be started (${error.message})`;
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
