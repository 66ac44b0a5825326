import { access, constants, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError, type Environment, readInstances, readModelCredentials } from '@comfy-fleet/config';
import { MODEL_KINDS } from '@comfy-fleet/contracts';
import { showBytes } from '../../text.js';
import { type Finding, reportOf } from '../finding.js';
import { checkMode } from './keys.js';

/** Checks the models folders that the worker with these settings would manage, and the credentials of sources. */
export async function checkModels(config: Config, env: Environment | undefined): Promise<Finding[]> {
  const instances = await readInstances(config, env).catch(() => []); // the check `comfyui` reports it
  const dirs = new Set(instances.flatMap(({ modelsDir }) => modelsDir ?? []));
  const found = await Promise.all([...dirs].map((dir) => checkFolder(dir, config)));
  return [...found.flat(), ...(await checkCredentials(config, env))];
}

async function checkFolder(dir: string, { models }: Config): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('models');
  const fix = `make ${dir} the models folder of ComfyUI, and let the user of the worker write to it and the folders in it`;
  try {
    const volume = (await stat(dir)).dev;
    const names = (await readdir(dir)).filter((name) => (MODEL_KINDS as readonly string[]).includes(name));
    const folders = await Promise.all(names.map(async (name) => ({ name, ...(await examine(join(dir, name))) })));
    const closed = [...((await examine(dir)).isWritable ? [] : [dir]), ...folders.filter(isClosed).map(nameOf)];
    if (closed.length > 0) return [fail(`this user cannot write to ${closed.join(', ')}: no models are fetched`, fix)];
    const elsewhere = folders.filter((folder) => folder.volume !== volume).map(nameOf);
    const { bsize, blocks, bavail } = await statfs(dir);
    const size = blocks * bsize;
    const most = models.maxBytes;
    return [
      names.length === 0
        ? warn(`${dir} has none of ComfyUI's folders, such as loras: is it the right one?`, fix)
        : ok(`${dir} can be written to, ${showBytes(bavail * bsize)} of ${showBytes(size)} are free`),
      ...(elsewhere.length === 0
        ? []
        : [
            warn(
              `${elsewhere.join(', ')} of ${dir} are on other volumes, whose free space is not watched`,
              'put all of them on one volume, or make sure that these others do not fill up',
            ),
          ]),
      ...(most === undefined || most <= size
        ? []
        : [
            fail(
              `MODELS_MAX_BYTES is ${showBytes(most)}, and the volume of ${dir} has ${showBytes(size)}`,
              'lower MODELS_MAX_BYTES, or remove it for 80 % of the volume',
            ),
          ]),
    ];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === 'ENOENT')
      return [warn(`${dir} does not exist: the worker makes it, but ComfyUI may look elsewhere`, fix)];
    return [fail(`${dir} cannot be read (${code}): no models are fetched`, fix)];
  }
}

interface FolderFacts {
  readonly isWritable: boolean;
  /** The number of its device. */
  readonly volume: number;
}

async function examine(path: string): Promise<FolderFacts> {
  const isWritable = await access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return { isWritable, volume: (await stat(path)).dev };
}

const isClosed = ({ isWritable }: FolderFacts) => !isWritable;
const nameOf = ({ name }: { readonly name: string }) => name;

async function checkCredentials(config: Config, env: Environment | undefined): Promise<Finding[]> {
  const { ok, fail } = reportOf('model-credentials');
  const path = config.models.credentialsFile;
  if (path === undefined) return [];
  try {
    const { length } = await readModelCredentials(config, env);
    return [ok(`${length} in ${path}`), ...(await checkMode(path, 'model-credentials', 'the credentials'))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) => fail(fault, 'correct the file; docs/models.md describes it'));
  }
}
