import { readFileSync } from 'node:fs';
import { Problem } from '../local/problem.mjs';
import { REDIS_IMAGE } from '../local/redis-server.mjs';
import { ended } from './shell.mjs';
import { makeStandIns, STAND_IN } from './stand-ins.mjs';

/**
 * Sees to it that the images are here which ours begin with: they are pulled, or where no registry is reached stand-ins are
 * made of Debian's packages and npm's Node. Stand-ins are made in an engine of our own only: in another they would stay.
 * @param {import('./engine.mjs').Engine} engine
 * @param {{ root: string, say: (text: string) => void, signal: AbortSignal }} options
 * @returns {Promise<{ names: string, areStandIns: boolean }>} stand-ins have no digests by which they could be named
 */
export async function provideBaseImages(engine, { root, say, signal }) {
  const node = /^FROM (node:\S+)/m.exec(readFileSync(`${root}/infra/docker/Dockerfile`, 'utf8'))?.[1];
  if (node === undefined) throw new Problem('infra/docker/Dockerfile begins with no image of Node');
  const wanted = [node, REDIS_IMAGE];
  const missing = [];
  for (const image of wanted) if (!(await isHere(image, engine, signal))) missing.push(image);
  if (missing.length === 0) return { names: wanted.join(', '), areStandIns: false };
  if (!engine.isOwn) throw new Problem(`${missing.join(' and ')} cannot be pulled: no registry is reached`);
  const [ofNode = '', redis = ''] = wanted.map((image) => image.replace(/@.*/, ''));
  const made = await ended('docker', ['image', 'ls', '--quiet', '--filter', `label=${STAND_IN}`], engine);
  if (made.stdout.trim() === '') {
    say(`No registry is reached: making stand-ins for ${ofNode} and ${redis}`);
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
