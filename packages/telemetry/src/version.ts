import { createRequire } from 'node:module';

/** Set in bundles, which infra/build/build.mjs makes: the images do not have the manifest of the whole. */
declare const COMFY_FLEET_VERSION: string | undefined;

/** The version in the package.json of the whole: the packages have none of their own. */
export function version(): string {
  if (typeof COMFY_FLEET_VERSION !== 'undefined') return COMFY_FLEET_VERSION;
  const manifest: { version: string } = createRequire(import.meta.url)('../../../package.json');
  return manifest.version;
}
