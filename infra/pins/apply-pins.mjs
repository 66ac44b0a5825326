/**
 * What images are made of. `packages` has the hashes of each `name==version`; empty: they were never resolved.
 * @typedef {{
 *   images: Record<string, string>,
 *   comfyui: { version: string, commit: string },
 *   python: { requirements: readonly string[], packages: Record<string, readonly string[]> },
 * }} Pins
 */

/** The files that name images, besides those that read pins.json themselves. */
export const PINNED_FILES = [
  'docker-compose.yml',
  'infra/docker/Dockerfile',
  'infra/docker/comfyui.Dockerfile',
  'infra/helm/templates/redis.yaml',
];
export const REQUIREMENTS_FILE = 'infra/docker/comfyui-requirements.txt';

/** Where an image is named: after FROM in a Dockerfile, after `image:` in YAML. Those that we build have no tag. */
const IMAGE = /^((?:FROM|\s*image:)\s+)([a-z0-9./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?=\s|$)/gm;
const COMMIT = /^(ARG COMFYUI_COMMIT=)[0-9a-f]{40}$/m;

/**
 * The text of a file with the digests of all images in it, and the commit of ComfyUI. Throws for an image that has none.
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
 * The text of a file without digests, for images that were made here: those have none.
 * @param {string} text
 */
export function withoutDigests(text) {
  return text.replace(IMAGE, '$1$2');
}

/**
 * What pip installs beside ComfyUI: each package with its hashes, so that pip takes nothing else.
 * @param {Pins} pins
 */
export function requirementsText({ comfyui, python: { requirements, packages } }) {
  const head = '# Written by `npm run pins` from infra/pins/pins.json.';
  const resolved = Object.entries(packages);
  const lines = resolved.map(([name, hashes]) => [name, ...hashes.map((hash) => `    --hash=${hash}`)].join(' \\\n'));
  const unresolved = [
    `# Without hashes until that has run where PyPI is reached; then also the packages of ComfyUI ${comfyui.version} are here.`,
    ...requirements,
    '-r /opt/ComfyUI/requirements.txt',
  ];
  return `${[head, ...(resolved.length === 0 ? unresolved : lines)].join('\n')}\n`;
}
