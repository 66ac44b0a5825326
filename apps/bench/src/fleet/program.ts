import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Exit } from '@comfy-fleet/testing';

/** A program of this machine, running. */
export interface Program {
  readonly pid: number;
  /** Everything it has printed. */
  readonly output: string;
  readonly exited: Promise<Exit>;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** Debian puts there what only root is thought to need. */
const ELSEWHERE = '/usr/sbin/';

/** Starts a program of the given name, which is also that of its Debian package. Rejects, saying so, when it is not here. */
export async function startProgram(name: string, args: readonly string[]): Promise<Program> {
  for (const path of [name, `${ELSEWHERE}${name}`]) {
    const program = await tryStart(path, args);
    if (program !== undefined) return program;
  }
  throw new Error(`${name} is not on this machine; on Debian: apt-get install ${name}`);
}

/** Undefined when there is nothing at that path. */
async function tryStart(path: string, args: readonly string[]): Promise<Program | undefined> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  try {
    await once(child, 'spawn');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    get output() {
      return output;
    },
    exited,
    signal: (signal) => {
      child.kill(signal);
    },
    end: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await exited;
    },
  };
}
