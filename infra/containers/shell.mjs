import { spawn } from 'node:child_process';
import { joinSignals } from '../local/join-signals.mjs';
import { Problem } from '../local/problem.mjs';

/** Deadline of a command, enough for building all images on a slow machine. */
const DEADLINE_MS = 1_800_000;
const SHOWN_LINES = 40;

/**
 * @typedef {{ code: number | null, stdout: string, output: string }} Ended
 * @typedef {{ env?: NodeJS.ProcessEnv, cwd?: string, input?: string, signal?: AbortSignal | undefined, withinMs?: number }} Options
 */

/**
 * Runs a program and returns its exit code and output. Rejects if it cannot be started, was stopped, or took too long.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Options} [options]
 * @returns {Promise<Ended>}
 */
export async function ended(program, args, { env = process.env, cwd, input, signal, withinMs = DEADLINE_MS } = {}) {
  const late = joinSignals([signal], withinMs);
  // Detached, because only this process handles Ctrl-C in the terminal.
  const child = spawn(program, args, {
    env,
    cwd,
    signal: late.signal,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    stdout += text;
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    output += text;
  });
  child.stdin.on('error', () => undefined); // the program may exit without reading its input
  child.stdin.end(input ?? '');
  const code = await new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Problem(`${program} ${args.join(' ')}: ${error.message}`, lastLines(output))),
    );
    child.once('close', (code) => resolve(code));
  }).finally(() => late.end());
  return { code, stdout, output };
}

/**
 * Like `ended`, but rejects with a Problem that contains the last lines of output if the exit code is not 0.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {Options} [options]
 * @returns {Promise<string>} what it wrote to standard output
 */
export async function ok(program, args, options) {
  const { code, stdout, output } = await ended(program, args, options);
  if (code !== 0) throw new Problem(`${program} ${args.join(' ')} ended with ${code}`, lastLines(output));
  return stdout;
}

/** @param {string} text */
function lastLines(text) {
  return text.trimEnd().split('\n').slice(-SHOWN_LINES);
}
