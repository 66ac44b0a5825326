import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LoadOptions, loadWorkflows, type Workflows } from '../src/index.js';

const shipped = fileURLToPath(new URL('../../../workflows/', import.meta.url));
const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));

/** A file of the tested folder: the name of a fixture, or its content; undefined omits a shipped one. */
export type Files = Readonly<Record<string, { fixture: string } | { text: string } | undefined>>;

/** Loads a folder with the shipped files, overridden by `files`. */
export async function loadFolder(files: Files = {}, options: LoadOptions = {}): Promise<Workflows> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-workflows-'));
  try {
    for (const name of ['text2img.json', 'img2img.json', 'lod-profiles.json']) {
      if (!(name in files)) await copyFile(join(shipped, name), join(dir, name));
    }
    for (const [name, file] of Object.entries(files)) {
      if (file === undefined) continue;
      if ('text' in file) await writeFile(join(dir, name), file.text);
      else await copyFile(join(fixtures, `${file.fixture}.json`), join(dir, name));
    }
    return await loadWorkflows(dir, options);
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** The errors of loading the folder. */
export async function faultsOf(files: Files): Promise<readonly string[]> {
  try {
    await loadFolder(files);
  } catch (error) {
    if (error instanceof Error && 'faults' in error) return error.faults as readonly string[];
    throw error;
  }
  throw new Error('the folder was loaded without a fault');
}
