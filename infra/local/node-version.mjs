// This file must run in old versions of Node too.
import { readFileSync } from 'node:fs';

/**
 * Exits with an error message if this Node is older than `engines.node` in package.json.
 * @param {string} version such as '20.20.2'
 * @param {URL} manifest
 */
export function refuseOldNode(
  version = process.versions.node,
  manifest = new URL('../../package.json', import.meta.url),
) {
  const { engines } = JSON.parse(readFileSync(manifest, 'utf8'));
  const wanted = parse(engines.node);
  const found = parse(version);
  if (found.major > wanted.major || (found.major === wanted.major && found.minor >= wanted.minor)) return;
  console.error(
    `comfy-fleet needs Node ${wanted.major}.${wanted.minor} or newer; this is Node ${version}. Get one from https://nodejs.org`,
  );
  process.exit(1);
}

/** @param {string} text */
function parse(text) {
  const [major = '0', minor = '0'] = text.match(/\d+/g) || [];
  return { major: Number(major), minor: Number(minor) };
}
