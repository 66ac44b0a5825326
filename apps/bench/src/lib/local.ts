import { fileURLToPath } from 'node:url';
import { type Service, startProgram } from '@comfy-fleet/testing';

/** The path of a file or folder of this repository, `infra/nginx/comfy-fleet.conf`. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
}

/** The project's own workflows. */
export const WORKFLOWS_DIR = inRepository('workflows');

/** Debian puts there what only root is thought to need. */
const ELSEWHERE = '/usr/sbin/';

/** Starts a program of the given name, which is also that of its Debian package. Rejects, saying so, when it is not here. */
export async function startInstalled(name: string, args: readonly string[]): Promise<Service> {
  for (const path of [name, `${ELSEWHERE}${name}`]) {
    const program = startProgram(path, args);
    const isHere = await program.begun.then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return false;
      },
    );
    if (isHere) return program;
  }
  throw new Error(`${name} is not on this machine; on Debian: apt-get install ${name}`);
}
