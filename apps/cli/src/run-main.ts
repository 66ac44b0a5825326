import { loadEnvFile } from '@comfy-fleet/config';
import type { CommandIo } from './command.js';
import { runCommand } from './run-command.js';

/** Runs the command that this process was started with, and sets its exit code. */
export async function runMain(more: Pick<CommandIo, 'start'> = {}): Promise<void> {
  loadEnvFile();
  // The reader of our output, such as `head`, may close the pipe early.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  process.exitCode = await runCommand(process.argv.slice(2), {
    log: process.stderr,
    result: (text) => process.stdout.write(`${text}\n`),
    info: (text) => process.stderr.write(`${text}\n`),
    ...(process.stdout.isTTY ? { terminal: process.stdout } : {}),
    ...(process.stdin.isTTY ? { keyboard: process.stdin } : {}),
    interrupted: interruption,
    ...more,
  });
}

/** npm forwards a signal that the terminal has already sent us. A second signal this soon is the same key press. */
const SAME_KEY_PRESS_MS = 400;
const INTERRUPTED = 130;

let asked: AbortController | undefined;

/** A signal that Ctrl-C, SIGTERM or a closed terminal aborts, instead of ending the process. The second time ends it. */
function interruption(): AbortSignal {
  if (asked !== undefined) return asked.signal;
  const controller = new AbortController();
  asked = controller;
  let first = 0;
  const onSignal = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
    } else if (performance.now() - first > SAME_KEY_PRESS_MS) process.exit(INTERRUPTED);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  return controller.signal;
}
