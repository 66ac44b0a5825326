import { createRequire } from 'node:module';

/** All packages have the version of the whole. In a bundle this reads the manifest of the app, which is one of them. */
export function version(): string {
  const manifest: { version: string } = createRequire(import.meta.url)('../package.json');
  return manifest.version;
}
