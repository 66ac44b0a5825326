import { spawn } from 'node:child_process';

/** Of what it prints, so much of the end is kept. */
const KEPT_CHARS = 2000;

export interface RestartCommand {
  /** For the shell, as the operator wrote it. Nothing is put into it: what it is about is in its environment. */
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Then it is ended, with all that it started. */
  readonly timeoutMs: number;
}

export interface RestartResult {
  /** Undefined when it was ended by a signal, or could not be started. */
  readonly code: number | undefined;
  readonly timedOut: boolean;
  /** The end of what it printed. */
  readonly output: string;
}

/** Runs the command to its end. Never throws. */
export async function runRestartCommand(asked: RestartCommand): Promise<RestartResult> {
  // What cannot be an environment is refused before anything runs.
  return run(asked).catch((error: unknown) => ({ code: undefined, timedOut: false, output: String(error) }));
}

function run({ command, environment, timeoutMs }: RestartCommand): Promise<RestartResult> {
  return new Promise((resolve) => {
    // In a group of its own, so that a time limit ends what the shell started, and the end of this process does not.
    const child = spawn(command, { shell: true, detached: true, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-KEPT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
      // What left the group keeps the pipes open, and is not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    const done = (code: number | undefined, said = output) => {
      clearTimeout(timer);
      resolve({ code, timedOut, output: said.trim() });
    };
    child.once('error', (error) => done(undefined, error.message));
    child.once('close', (code) => done(code ?? undefined));
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
