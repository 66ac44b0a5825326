import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const COMFYUI = 'https://github.com/comfyanonymous/ComfyUI';
const TIMEOUT_MS = 30_000;
/** The media types of images for several platforms, and for one. */
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const DOCKER_HUB = { registry: 'https://registry-1.docker.io', auth: 'https://auth.docker.io' };

/**
 * The repository and tag of an image on Docker Hub. The names of official images have no owner.
 * @param {string} image
 */
export function placeOf(image) {
  const [name = '', tag = ''] = image.split(':');
  return { repository: name.includes('/') ? name : `library/${name}`, tag };
}

/**
 * Looks up the current digest of a tag.
 * @param {string} image
 * @returns {Promise<string>}
 */
export async function digestOf(image, { registry, auth } = DOCKER_HUB) {
  const { repository, tag } = placeOf(image);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const scope = `repository:${repository}:pull`;
  const tokens = await fetch(`${auth}/token?service=registry.docker.io&scope=${scope}`, { signal });
  const { token } = /** @type {{ token?: string }} */ (await tokens.json());
  const answer = await fetch(`${registry}/v2/${repository}/manifests/${tag}`, {
    method: 'HEAD',
    headers: { Authorization: `Bearer ${token}`, Accept: MANIFESTS.join(', ') },
    signal,
  });
  const digest = answer.headers.get('docker-content-digest') ?? '';
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${image}: the registry answers ${answer.status}`);
  return digest;
}

/**
 * Finds the commit of a tag in the output of `git ls-remote`. For an annotated tag, that is the entry with `^{}`.
 * @param {string} listed
 * @param {string} tag
 */
export function commitOf(listed, tag) {
  const refs = new Map(listed.split('\n').map((line) => /** @type {[string, string]} */ (line.split('\t').reverse())));
  const commit = refs.get(`refs/tags/${tag}^{}`) ?? refs.get(`refs/tags/${tag}`);
  if (commit === undefined) throw new Error(`ComfyUI has no tag ${tag}`);
  return commit;
}

/** @param {string} version */
export async function comfyuiCommit(version) {
  const refs = [`refs/tags/${version}`, `refs/tags/${version}^{}`];
  const { stdout } = await run('git', ['ls-remote', COMFYUI, ...refs], { timeout: TIMEOUT_MS });
  return commitOf(stdout, version);
}

/**
 * Packages and hashes in a report of pip.
 * @param {{ install: readonly {
 *   metadata: { name: string, version: string },
 *   download_info: { archive_info?: { hashes?: { sha256?: string } } },
 * }[] }} report
 */
export function packagesOf({ install }) {
  const packages = install.map(({ metadata: { name, version }, download_info: { archive_info } }) => {
    const sha256 = archive_info?.hashes?.sha256;
    if (sha256 === undefined) throw new Error(`pip reports no hash of ${name}`);
    return /** @type {const} */ ([`${name.toLowerCase().replace(/[-_.]+/g, '-')}==${version}`, [`sha256:${sha256}`]]);
  });
  return Object.fromEntries(packages.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Resolves all packages that ComfyUI needs in its image, for Python 3.12 of Ubuntu 24.04 on x86-64.
 * @param {{ requirements: readonly string[], commit: string, folder: string }} wanted `folder`: a folder for pip's files
 */
export async function pythonPackages({ requirements, commit, folder }) {
  const raw = COMFYUI.replace('github.com', 'raw.githubusercontent.com');
  const answer = await fetch(`${raw}/${commit}/requirements.txt`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the requirements of ComfyUI ${commit}: ${answer.status}`);
  const file = join(folder, 'requirements.txt');
  await writeFile(file, await answer.text());
  const platforms = ['manylinux_2_28', 'manylinux_2_17', 'manylinux2014', 'manylinux1', 'linux'];
  const { stdout } = await run(
    'python3',
    [
      ...['-m', 'pip', 'install', '--quiet', '--dry-run', '--ignore-installed', '--report', '-'],
      ...['--target', folder, '--only-binary', ':all:', '--implementation', 'cp', '--python-version', '3.12'],
      ...platforms.flatMap((platform) => ['--platform', `${platform}_x86_64`]),
      ...requirements,
      ...['-r', file],
    ],
    { maxBuffer: 2 ** 28 },
  );
  return packagesOf(JSON.parse(stdout));
}
