import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export default defineConfig({
  // Relative to the page's base, so that the studio works below any path of a proxy.
  base: './',
  resolve: { conditions: ['@comfy-fleet/source', 'import', 'module', 'browser', 'default'] },
  plugins: [react(), listInputs()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content security policy forbids inlined assets
    chunkSizeWarningLimit: 700, // the renderer of 3D models, which is loaded on demand
  },
});

/** Lists the sources of the build with their hashes, as infra/build/bundle.mjs does: system tests refuse an outdated build. */
function listInputs(): Plugin {
  return {
    name: 'list-inputs',
    apply: 'build',
    writeBundle() {
      const files = [...this.getModuleIds()].filter((id) => id.startsWith(ROOT) && !/[?]|\/node_modules\//.test(id));
      const digests = files.map((id) => [
        relative(ROOT, id),
        createHash('sha256').update(readFileSync(id)).digest('hex'),
      ]);
      writeFileSync(join(import.meta.dirname, 'dist/inputs.json'), JSON.stringify(Object.fromEntries(digests)));
    },
  };
}
