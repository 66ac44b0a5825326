import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from '../src/command.js';
import { runCommand } from '../src/run-command.js';

export const WORKFLOWS_DIR = fileURLToPath(new URL('../../../workflows', import.meta.url));

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, with only `env` as its environment, and at `terminal` if given. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  terminal?: Terminal,
): Promise<Run> {
  let stdout = '';
  let stderr = '';
  const code = await runCommand(args, {
    env: { WORKFLOWS_DIR, XDG_CONFIG_HOME: '/nowhere', ...env },
    log: new Writable({
      write: (chunk, _encoding, done) => {
        stderr += chunk;
        done();
      },
    }),
    result: (text) => {
      stdout += `${text}\n`;
    },
    ...(terminal === undefined ? {} : { terminal }),
    interrupted: () => new AbortController().signal,
    info: (text) => {
      stderr += `${text}\n`;
    },
  });
  return { code, stdout, stderr };
}

/** A terminal that records its output. */
export class FakeTerminal extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  readonly rows = 24;
  written = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk;
    done();
  }

  /** Every line that was ever drawn, without escape sequences. */
  get lines(): string[] {
    return stripVTControlCharacters(this.written).split('\n');
  }
}
