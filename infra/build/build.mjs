// Builds the apps with esbuild:  node infra/build/build.mjs [folder…]  (default: all). Skips builds that are up to date.
// `npm run check` checks the types.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staleInput, writeInputs } from './inputs.mjs';
import { NOT_BUNDLED } from './not-bundled.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** CommonJS libraries load Node's modules with `require`, which ES modules lack. */
const REQUIRE = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);`;

/** @type {import('esbuild').BuildOptions & { metafile: true }} */
const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  splitting: true, // modules that are imported on demand stay in separate files
  chunkNames: '[name]-[hash]', // one folder, so that `import.meta.url` has the same folder in every chunk
  format: 'esm',
  conditions: ['@comfy-fleet/source'],
  metafile: true,
  logLevel: 'warning',
};

/** What every build depends on, besides its sources. */
const OWN_INPUTS = ['infra/build/build.mjs', 'infra/build/not-bundled.mjs', 'package.json', 'pnpm-lock.yaml'];

/** The folder of the npm package `comfy-fleet`. */
const PACKAGE = 'dist/package';

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const STUDIO = 'apps/studio';

/** Folders of files that the code reads at run time, by their names next to the bundle. */
const LUA = { lua: 'packages/jobs/src/lua' };
const RECORDINGS = { data: 'apps/simulator/src/data' };
const API_FILES = { ...LUA, pages: 'apps/api/src/server/pages', studio: `${STUDIO}/dist` };

/** @type {Record<string, { options: typeof COMMON, copies?: Record<string, string> }>} */
const TARGETS = {
  [STUDIO]: { options: pages(STUDIO, ['main.tsx', 'styles/index.css']) },
  'apps/api': { options: program('apps/api', ['main', 'decoding/decoder']), copies: API_FILES },
  'apps/worker': { options: program('apps/worker', ['main', 'job/media-thread']), copies: LUA },
  'apps/dispatcher': { options: program('apps/dispatcher', ['main']), copies: LUA },
  'apps/cli': { options: program('apps/cli', ['main']), copies: LUA },
  'apps/simulator': { options: program('apps/simulator', ['main']), copies: RECORDINGS },
  'apps/bench': {
    options: program('apps/bench', ['main', 'measure/api/bare-server', 'measure/api/livez-prober']),
    copies: { ...LUA, ...RECORDINGS }, // the bench runs simulators
  },
  'infra/npm': { options: allPrograms(), copies: atPackage({ ...API_FILES, ...RECORDINGS }) },
  'packages/config': { options: program('packages/config', ['index']) },
  'packages/client': { options: { ...program('packages/client', ['index']), platform: 'neutral', banner: {} } },
};

await build(process.argv.slice(2));

/** @param {readonly string[]} names folders of targets; empty for all */
async function build(names) {
  const unknown = names.filter((name) => TARGETS[name] === undefined);
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: not one of ${Object.keys(TARGETS).join(', ')}`);
  const wanted = names.length === 0 ? Object.keys(TARGETS) : names;
  if (wanted.some((name) => [STUDIO, 'apps/api', 'infra/npm'].includes(name))) await buildIfStale(STUDIO); // the others copy its files
  await Promise.all(wanted.map(buildIfStale));
}

/** @param {string} folder */
async function buildIfStale(folder) {
  const target = TARGETS[folder];
  if (target === undefined || staleInput(ROOT, folder) === undefined) return;
  const esbuild = await import('esbuild');
  rmSync(join(ROOT, folder, 'dist'), { recursive: true, force: true });
  const { metafile } = await esbuild.build(target.options);
  const inputs = [...Object.keys(metafile.inputs), ...OWN_INPUTS];
  if (folder === STUDIO) inputs.push(...writePage(metafile));
  for (const [name, from] of Object.entries(target.copies ?? {})) {
    inputs.push(...copy(from, join(folder, 'dist', name)));
  }
  writeInputs(ROOT, folder, inputs);
}

/**
 * A program or library for Node, bundled from `src/<entry>.ts`.
 * @param {string} folder
 * @param {readonly string[]} entries
 * @returns {typeof COMMON}
 */
function program(folder, entries) {
  return {
    ...COMMON,
    entryPoints: Object.fromEntries(entries.map((entry) => [basename(entry), `${folder}/src/${entry}.ts`])),
    outdir: `${folder}/dist`,
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    external: [...NOT_BUNDLED, 'autocannon', 'vitest'],
    define: { COMFY_FLEET_VERSION: JSON.stringify(version) },
    banner: { js: REQUIRE },
  };
}

/**
 * The npm package `comfy-fleet`: all programs in one folder, with shared chunks.
 * @returns {typeof COMMON}
 */
function allPrograms() {
  const apps = ['api', 'worker', 'dispatcher', 'simulator'].map((app) => [app, `apps/${app}/src/main.ts`]);
  const own = {
    decoder: 'apps/api/src/decoding/decoder.ts',
    'media-thread': 'apps/worker/src/job/media-thread.ts',
    cli: 'infra/npm/main.mjs',
    'restart-simulator': 'infra/local/restart-simulator.mjs',
  };
  return {
    ...program('infra/npm', []),
    entryPoints: { ...Object.fromEntries(apps), ...own },
    outdir: `infra/npm/${PACKAGE}/dist`,
    outExtension: { '.js': '.mjs' },
    sourcemap: false,
  };
}

/** @param {Record<string, string>} copies */
function atPackage(copies) {
  return Object.fromEntries(Object.entries(copies).map(([name, from]) => [`../${PACKAGE}/dist/${name}`, from]));
}

/**
 * Scripts and styles for browsers. Their names contain a digest, so that browsers can cache them for ever.
 * @param {string} folder
 * @param {readonly string[]} entries below `src`
 * @returns {typeof COMMON}
 */
function pages(folder, entries) {
  return {
    ...COMMON,
    entryPoints: entries.map((entry) => `${folder}/src/${entry}`),
    entryNames: '[name]-[hash]',
    outdir: `${folder}/dist/assets`,
    target: 'es2022',
    jsx: 'automatic',
    minify: true,
    define: { 'process.env.NODE_ENV': '"production"' },
  };
}

/**
 * Writes the studio's page, with references to the built files.
 * @param {import('esbuild').Metafile} metafile
 * @returns {string[]} its inputs
 */
function writePage({ outputs }) {
  let html = readFileSync(join(ROOT, STUDIO, 'index.html'), 'utf8');
  for (const [path, { entryPoint }] of Object.entries(outputs)) {
    if (entryPoint !== undefined)
      html = html.replace(`./${relative(STUDIO, entryPoint)}`, `./assets/${basename(path)}`);
  }
  writeFileSync(join(ROOT, STUDIO, 'dist/index.html'), html);
  return [`${STUDIO}/index.html`, ...copy(`${STUDIO}/public`, `${STUDIO}/dist`)];
}

/**
 * @param {string} from a folder
 * @param {string} to
 * @returns {string[]} the files that were copied
 */
function copy(from, to) {
  const isCopied = (/** @type {string} */ path) => !/\.ts$|inputs\.json$/.test(path);
  cpSync(join(ROOT, from), join(ROOT, to), { recursive: true, filter: isCopied });
  const entries = readdirSync(join(ROOT, from), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && isCopied(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}
