// Packs the npm packages comfy-fleet and @comfy-fleet/client into infra/npm/dist. `npm run release:npm` runs it.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOT_BUNDLED } from '../build/not-bundled.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'infra/npm/dist');
const PACKAGE = join(DIST, 'package');

/** Large libraries from which the package includes only the files that it needs, without dependencies and scripts. */
const INCLUDED = [
  { name: 'dejavu-fonts-ttf', app: 'simulator', files: ['LICENSE', 'ttf/DejaVuSans.ttf'] },
  {
    name: 'swagger-ui-dist',
    app: 'api',
    files: ['LICENSE', 'NOTICE', 'favicon-32x32.png', 'swagger-ui.css', 'swagger-ui-bundle.js'],
  },
];

execFileSync(process.execPath, [join(ROOT, 'infra/build/build.mjs'), 'infra/npm'], {
  stdio: 'inherit',
});
const copies = {
  'infra/pins/pins.json': 'pins/pins.json',
  LICENSE: '',
  'infra/npm/README.md': 'README.md',
  workflows: '',
};
for (const [from, to] of Object.entries(copies)) {
  cpSync(join(ROOT, from), join(PACKAGE, to || from), { recursive: true });
}
for (const { name, app, files } of INCLUDED) {
  const library = `apps/${app}/node_modules/${name}`;
  for (const file of files) cpSync(join(ROOT, library, file), join(PACKAGE, 'node_modules', name, file));
  const { version, license } = readJson(`${library}/package.json`);
  writeJson(`node_modules/${name}/package.json`, { name, version, license });
}
writeJson('package.json', manifest());
for (const folder of [PACKAGE, join(ROOT, 'packages/client')]) {
  execFileSync('npm', ['pack', '--pack-destination', DIST], { cwd: folder, stdio: 'inherit' });
}

function manifest() {
  const { name, version, description, keywords, homepage, repository, license, engines } = readJson('package.json');
  const apps = ['api', 'worker', 'simulator'].map((app) => readJson(`apps/${app}/package.json`).dependencies);
  const ranges = Object.assign({}, ...apps);
  return {
    ...{ name, version, description, keywords, homepage, repository, license, engines },
    type: 'module',
    bin: { 'comfy-fleet': 'dist/cli.mjs' },
    files: ['dist', 'pins', 'workflows'],
    dependencies: Object.fromEntries(NOT_BUNDLED.map((library) => [library, ranges[library]])),
    bundleDependencies: INCLUDED.map(({ name }) => name),
  };
}

/** @param {string} path below the root */
function readJson(path) {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
}

/**
 * @param {string} path in the package
 * @param {object} content
 */
function writeJson(path, content) {
  writeFileSync(join(PACKAGE, path), `${JSON.stringify(content, undefined, 2)}\n`);
}
