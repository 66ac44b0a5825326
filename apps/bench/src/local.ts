import { fileURLToPath } from 'node:url';
import { type Service, startProgram } from '@comfy-fleet/testing';

/** The absolute path of a file or folder of this repository, such as `infra/nginx/comfy-fleet.conf`. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

/** The project's own workflows. */
export const WORKFLOWS_DIR = inRepository('workflows');

/** Debian installs servers here, and only root has it in its PATH. */
const SYSTEM_PROGRAMS = '/usr/sbin/';

/** Starts an installed program whose name is also that of its Debian package. Rejects if it is not installed. */
export async function startInstalled(name: string, args: readonly string[]): Promise<Service> {
  for (const path of [name, `${SYSTEM_PROGRAMS}${name}`]) {
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
