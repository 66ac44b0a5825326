import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { expect } from 'vitest';

const STARTERS = ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'] as const;

/** From now on this process may only start these programs; any other start throws `refusal`. */
export function mayStart(programs: readonly string[], refusal: string): void {
  for (const name of STARTERS) {
    const start = childProcess[name] as (program: string, ...rest: unknown[]) => unknown;
    const refuseOthers = (program: string, ...rest: unknown[]) => {
      if (!programs.includes(basename(program))) throw new Error(`${refusal} (it starts ${program})`);
      return start(program, ...rest);
    };
    Object.defineProperty(childProcess, name, { value: refuseOthers });
  }
  syncBuiltinESMExports();
}

// vitest compares byte by byte, which takes seconds for a megabyte.
expect.addEqualityTesters([(a, b) => (Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : undefined)]);
