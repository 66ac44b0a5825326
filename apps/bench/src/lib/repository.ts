import { fileURLToPath } from 'node:url';

/** The path of a file or folder of this repository, `infra/nginx/comfy-fleet.conf`. */
export function inRepository(path: string): string {
  return fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
}

/** The project's own workflows. */
export const WORKFLOWS_DIR = inRepository('workflows');
