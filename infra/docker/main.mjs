// The entry point of the image:  node main.mjs api|worker|dispatcher|simulator|all, or a command of the CLI.
// `node main.mjs healthy [role]` is the health check of the image.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** For each role the setting of its port, and the path that answers 2xx when it is ready. */
const READY = new Map([
  ['api', ['PORT', '/readyz']],
  ['worker', ['WORKER_HEALTH_PORT', '/readyz']],
  ['dispatcher', ['DISPATCHER_HEALTH_PORT', '/readyz']],
  ['simulator', ['SIMULATOR_PORT', '/system_stats']],
]);
const ALL = ['api', 'worker', 'dispatcher'];
const READY_TIMEOUT_MS = 4_000;

const [command = '', role] = process.argv.slice(2);
if (command === 'all') process.exitCode = await runAll();
else if (command === 'healthy') process.exitCode = (await isHealthy(role ?? roleOfContainer())) ? 0 : 1;
else await import(programOf(READY.has(command) ? command : 'cli').href);

/** @param {string} app */
function programOf(app) {
  return new URL(`apps/${app}/dist/main.js`, import.meta.url);
}

/**
 * Runs the roles of `all` until one of them exits or a stop is requested, then stops the others.
 * @returns {Promise<number>} the exit code
 */
async function runAll() {
  // Detached, so that Ctrl-C reaches only this process, which passes it on once.
  const children = ALL.map((app) =>
    spawn(process.execPath, [fileURLToPath(programOf(app))], { stdio: 'inherit', detached: true }),
  );
  const stopping = new AbortController();
  stopping.signal.addEventListener('abort', () => {
    for (const child of children) child.kill('SIGTERM');
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stopping.abort());
  const codes = children.map(async (child) => {
    const [code] = await once(child, 'exit');
    const wasAsked = stopping.signal.aborted;
    stopping.abort();
    return wasAsked ? (code ?? 1) : code || 1;
  });
  return Math.max(...(await Promise.all(codes)));
}

/** The role of this container, from the command line of its first process; undefined for a command of the CLI. */
function roleOfContainer() {
  const args = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
  return args.find((each) => each === 'all' || READY.has(each));
}

/** @param {string | undefined} role */
async function isHealthy(role) {
  const roles = role === 'all' ? ALL : [role ?? ''];
  const answers = roles.map(async (each) => {
    const [port = '', path] = READY.get(each) ?? [];
    const url = `http://127.0.0.1:${process.env[port]}${path}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }).catch(() => undefined);
    return answer?.ok === true;
  });
  return (await Promise.all(answers)).every(Boolean);
}
