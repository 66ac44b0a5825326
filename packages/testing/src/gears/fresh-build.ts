import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staleInput } from '../../../../infra/build/inputs.mjs';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Runs before the system tests, which start the build. */
export default function setup(): void {
  refuseStaleBuild(ROOT);
}

/** Throws if an app has changed since it was built, with the command to run. */
export function refuseStaleBuild(root: string): void {
  for (const app of readdirSync(join(root, 'apps'))) {
    if (!existsSync(join(root, 'apps', app, 'src'))) continue; // left over after git removed the app
    const stale = staleInput(root, `apps/${app}`);
    if (stale !== undefined) throw new Error(`apps/${app}/dist is older than ${stale}. Type: npm run build`);
  }
}
