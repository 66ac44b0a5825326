import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigError, loadConfig, readAllowedNodes } from '../src/index.js';

function read(text: string | undefined): unknown {
  const dir = mkdtempSync(join(tmpdir(), 'allowed-nodes-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'allowed.json');
  if (text !== undefined) writeFileSync(file, text);
  try {
    return readAllowedNodes(loadConfig({ ALLOWED_NODES_FILE: file }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) => fault.replace(file, 'F'));
  }
}

it('allows no further classes without such a file', () => {
  expect(readAllowedNodes(loadConfig({}))).toEqual({});
});

it('reads classes and packs with their inputs', () => {
  const file = {
    classes: { VHS_LoadVideo: { video: 'video' } },
    packs: { 'custom_nodes.rgthree-comfy': { 'any_*': 'link' } },
  };
  expect(read(JSON.stringify(file))).toEqual(file);
});

it.each<[what: string, text: string | undefined, faults: unknown[]]>([
  ['is not there', undefined, ['ALLOWED_NODES_FILE=F: cannot be read (ENOENT)']],
  ['is no JSON', '{', [expect.stringContaining('ALLOWED_NODES_FILE=F: is not valid JSON')]],
  ['is a list', '[]', ['ALLOWED_NODES_FILE=F: the file must be an object']],
  ['has an unknown field', '{"nodes":{}}', ['ALLOWED_NODES_FILE=F: nodes is not a known field']],
  [
    'has an unknown kind of input',
    '{"classes":{"A":{"b":"path"}}}',
    ['ALLOWED_NODES_FILE=F: classes.A.b may only have image, video, audio, file, link'],
  ],
])('says what is wrong with a file that %s', (_what, text, faults) => {
  expect(read(text)).toEqual(faults);
});
