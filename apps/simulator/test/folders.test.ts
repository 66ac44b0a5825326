import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeOwnFolders } from '../src/folders.js';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'comfy-fleet-simulator-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

it('creates the folders of inputs, models and outputs', () => {
  const dir = folder();
  makeOwnFolders(join(dir, 'new'));
  expect(readdirSync(join(dir, 'new')).sort()).toEqual(['input', 'models', 'output']);
});

it('says what to mount or set if the folders cannot be written', () => {
  const file = join(folder(), 'file');
  writeFileSync(file, '');
  const attempt = () => makeOwnFolders(join(file, 'comfyui'));
  expect(attempt).toThrow(/cannot write to .*Mount a volume there .*or set SIMULATOR_DIR/);
});
