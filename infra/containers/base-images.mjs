import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../local/problem.mjs';
import { REDIS_IMAGE } from '../local/redis-server.mjs';
import { ended, ok } from './shell.mjs';

/**
 * The environment of docker, and the signal that stops it.
 * @typedef {{ env: NodeJS.ProcessEnv, signal: AbortSignal }} Surroundings
 */

/** The label of images that replace real base images. */
const STAND_IN = 'comfy-fleet.stand-in';
const DEBIAN = 'comfy-fleet-check-debian:stand-in';

/**
 * Provides the base images of our Dockerfiles. Pulls them or, if no registry can be reached, builds stand-ins from Debian's
 * packages and npm's Node. Builds stand-ins only in an engine that we started, because they would stay in another one.
 * @param {import('./engine.mjs').Engine} engine
 * @param {{ root: string, say: (text: string) => void, signal: AbortSignal }} options
 * @returns {Promise<{ names: string, areStandIns: boolean }>} stand-ins have no digests
 */
export async function provideBaseImages(engine, { root, say, signal }) {
  const node = /^FROM (node:\S+)/m.exec(readFileSync(`${root}/infra/docker/Dockerfile`, 'utf8'))?.[1];
  if (node === undefined) throw new Problem('infra/docker/Dockerfile does not begin with a Node image');
  const wanted = [node, REDIS_IMAGE];
  const missing = [];
  for (const image of wanted) if (!(await isHere(image, engine, signal))) missing.push(image);
  if (missing.length === 0) return { names: wanted.join(', '), areStandIns: false };
  if (!engine.isOwn) throw new Problem(`${missing.join(' and ')} cannot be pulled: no registry can be reached`);
  const [ofNode = '', redis = ''] = wanted.map((image) => image.replace(/@.*/, ''));
  const made = await ended('docker', ['image', 'ls', '--quiet', '--filter', `label=${STAND_IN}`], engine);
  if (made.stdout.trim() === '') {
    say(`No registry can be reached: building stand-ins for ${ofNode} and ${redis}`);
    await makeStandIns({ env: engine.env, signal }, { node: ofNode, redis });
  }
  return { names: `stand-ins for ${ofNode}, ${redis}`, areStandIns: true };
}

/**
 * @param {string} image
 * @param {import('./engine.mjs').Engine} engine
 * @param {AbortSignal} signal
 */
async function isHere(image, { env }, signal) {
  if ((await ended('docker', ['image', 'inspect', image], { env, signal })).code === 0) return true;
  return (await ended('docker', ['pull', '--quiet', image], { env, signal, withinMs: 300_000 })).code === 0;
}

/**
 * Builds images that can replace the real ones in our Dockerfiles: Node with npm and a user `node` (1000), and redis-server
 * with a user `redis`. Requires root on Debian.
 * @param {Surroundings} docker
 * @param {{ node: string, redis: string }} names
 */
async function makeStandIns(docker, names) {
  const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-stand-ins-'));
  try {
    if ((await ended('docker', ['image', 'inspect', DEBIAN], docker)).code !== 0) await makeDebian(folder, docker);
    await makeNode(folder, docker, names.node);
    await build(docker, names.redis, join(folder, 'redis'), [
      'RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*',
      'RUN install --directory --owner=redis --group=redis /data',
      'WORKDIR /data',
      'CMD ["redis-server"]',
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Builds a minimal Debian of this machine's release, from its mirror.
 * @param {string} folder
 * @param {Surroundings} docker
 */
async function makeDebian(folder, docker) {
  const format = '$(ORIGIN) $(CODENAME) $(REPO_URI)';
  const targets = await ok('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const [, codename, mirror] = /^Debian (\w+) (\S+)$/m.exec(targets) ?? [];
  if (codename === undefined || mirror === undefined) throw new Problem('apt-get has no Debian mirror');
  const root = join(folder, 'debian');
  await ok('debootstrap', ['--variant=minbase', '--include=ca-certificates,netbase', codename, root, mirror], {
    signal: docker.signal,
  });
  const tarball = join(folder, 'debian.tar');
  await ok('tar', ['-C', root, '-cf', tarball, '.']);
  await ok('docker', ['import', '--change', `LABEL ${STAND_IN}=1`, tarball, DEBIAN], docker);
}

/**
 * @param {string} folder
 * @param {Surroundings} docker
 * @param {string} name such as node:24-slim
 */
async function makeNode(folder, docker, name) {
  const context = join(folder, 'node');
  const prefix = join(context, 'prefix');
  mkdirSync(prefix, { recursive: true });
  const major = Number.parseInt(name.split(':')[1] ?? '', 10);
  // The npm package `node` fetches this package in an install script, but install scripts may be disabled here.
  const binary = `node-linux-${process.arch}`;
  await ok('npm', ['install', '--global', '--prefix', prefix, 'npm@11', `${binary}@${major}`], {
    signal: docker.signal,
  });
  const modules = join(prefix, 'lib/node_modules');
  rmSync(join(prefix, 'bin/node'), { force: true });
  renameSync(join(modules, binary, 'bin/node'), join(prefix, 'bin/node'));
  rmSync(join(modules, binary), { recursive: true });
  await build(docker, name, context, [
    'COPY prefix/ /usr/local/',
    'RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node',
    ...(await networkOfThisMachine(context)),
    'CMD ["node"]',
  ]);
}

/**
 * The settings with which npm reaches its registry from here. Does not copy the whole npmrc, which may contain a token.
 * @param {string} context
 */
async function networkOfThisMachine(context) {
  const lines = [];
  for (const name of ['registry', 'proxy', 'https-proxy', 'noproxy']) {
    const value = (await ok('npm', ['config', 'get', name])).trim();
    if (!['', 'null', 'undefined'].includes(value)) lines.push(`ENV npm_config_${name.replace('-', '_')}="${value}"`);
  }
  const cafile = (await ok('npm', ['config', 'get', 'cafile'])).trim();
  if (cafile === '' || cafile === 'null') return lines;
  copyFileSync(cafile, join(context, 'ca.pem'));
  const path = '/usr/local/share/this-machine.pem';
  return [...lines, `COPY ca.pem ${path}`, `ENV npm_config_cafile=${path} NODE_EXTRA_CA_CERTS=${path}`];
}

/**
 * @param {Surroundings} docker
 * @param {string} name
 * @param {string} context
 * @param {readonly string[]} lines after FROM
 */
async function build(docker, name, context, lines) {
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, 'Dockerfile'), [`FROM ${DEBIAN}`, `LABEL ${STAND_IN}=1`, ...lines, ''].join('\n'));
  await ok('docker', ['build', '--tag', name, context], docker);
}
