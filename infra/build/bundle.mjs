// Makes one dist/main.js of an app and its libraries, in the folder of the app:  node ../../infra/build/bundle.mjs
// To load two thousand small files took a process more than half of its start.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** CommonJS libraries ask for modules of Node with `require`, which an ES module does not have. */
const REQUIRE = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);`;
/** Files that are read when their loader runs, from beside it. */
const READ_LATER = [
  { loader: 'packages/jobs/src/scripts.ts', folder: 'packages/jobs/src/lua', to: 'dist/lua' },
  {
    loader: 'apps/api/src/resources/service/pages.ts',
    folder: 'apps/api/src/resources/service/pages',
    to: 'dist/pages',
  },
];

/** What an app names under `dependencies` cannot be bundled, and is all that its image has in node_modules. */
const { dependencies = {} } = JSON.parse(readFileSync('package.json', 'utf8'));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const app = relative(ROOT, process.cwd());

rmSync('dist', { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: [`${app}/src/main.ts`, `${app}/src/index.ts`].filter((file) => existsSync(join(ROOT, file))),
  outdir: `${app}/dist`,
  bundle: true,
  splitting: true, // what is imported only when it is needed stays a file of its own
  chunkNames: '[name]-[hash]', // no folder: `import.meta.url` has to mean the same in all of them
  format: 'esm',
  platform: 'node',
  target: 'node20',
  conditions: ['@comfy-fleet/source'],
  define: { COMFY_FLEET_VERSION: JSON.stringify(version) },
  external: Object.keys(dependencies),
  banner: { js: REQUIRE },
  sourcemap: 'linked',
  metafile: true,
  logLevel: 'warning',
});
const inputs = Object.keys(metafile.inputs);
for (const { loader, folder, to } of READ_LATER) if (inputs.includes(loader)) inputs.push(...copied(folder, to));
writeFileSync('dist/inputs.json', JSON.stringify(Object.fromEntries(inputs.map((file) => [file, digest(file)]))));

/**
 * @param {string} folder
 * @param {string} to
 */
function copied(folder, to) {
  cpSync(join(ROOT, folder), to, { recursive: true, filter: (path) => !path.endsWith('.ts') });
  const files = readdirSync(to, { recursive: true, encoding: 'utf8' });
  return files.filter((path) => extname(path) !== '').map((path) => join(folder, path));
}

/**
 * For the system tests, which refuse a build of other text than there is now.
 * @param {string} file
 */
function digest(file) {
  return createHash('sha256')
    .update(readFileSync(join(ROOT, file)))
    .digest('hex');
}
