/**
 * The pinned parts of the images. `packages` has the hashes of each `name==version`; it is empty until they are resolved.
 * @typedef {{
 *   images: Record<string, string>,
 *   comfyui: { version: string, commit: string },
 *   python: { requirements: readonly string[], packages: Record<string, readonly string[]> },
 * }} Pins
 */

/** The files that name images, except those that read pins.json. */
export const PINNED_FILES = [
  'docker-compose.yml',
  'infra/docker/Dockerfile',
  'infra/docker/comfyui.Dockerfile',
  'infra/helm/templates/redis.yaml',
];
export const REQUIREMENTS_FILE = 'infra/docker/comfyui-requirements.txt';

/** Matches the name of an image after FROM in a Dockerfile or after `image:` in YAML. Images that we build have no tag. */
const IMAGE = /^((?:FROM|\s*image:)\s+)([a-z0-9./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?=\s|$)/gm;
const COMMIT = /^(ARG COMFYUI_COMMIT=)[0-9a-f]{40}$/m;

/**
 * Inserts the digests of all images and the commit of ComfyUI into the text of a file. Throws if an image has no digest.
 * @param {string} text
 * @param {Pins} pins
 */
export function withPins(text, { images, comfyui }) {
  return text
    .replace(IMAGE, (_whole, before, image) => {
      const digest = images[image];
      if (digest === undefined) throw new Error(`infra/pins/pins.json has no digest of ${image}`);
      return `${before}${image}@${digest}`;
    })
    .replace(COMMIT, `$1${comfyui.commit}`);
}

/**
 * Removes the digests from the text of a file, for stand-in images, which have none.
 * @param {string} text
 */
export function withoutDigests(text) {
  return text.replace(IMAGE, '$1$2');
}

/**
 * The requirements file of ComfyUI's image: each package with its hashes, so that pip installs nothing else.
 * @param {Pins} pins
 */
export function requirementsText({ comfyui, python: { requirements, packages } }) {
  const head = '# Written by `npm run pins` from infra/pins/pins.json.';
  const resolved = Object.entries(packages);
  const lines = resolved.map(([name, hashes]) => [name, ...hashes.map((hash) => `    --hash=${hash}`)].join(' \\\n'));
  const unresolved = [
    `# It has no hashes until that command has run with access to PyPI; then it also lists the packages of ComfyUI ${comfyui.version}.`,
    ...requirements,
    '-r /opt/ComfyUI/requirements.txt',
  ];
  return `${[head, ...(resolved.length === 0 ? unresolved : lines)].join('\n')}\n`;
}
