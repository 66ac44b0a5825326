import { createHash, randomBytes } from 'node:crypto';
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { type ModelKind, type ModelRecord, modelId } from '@comfy-fleet/contracts';
import { ModelFault } from './faults.js';
import { type PartPaths, readProgress, removePart } from './part-file.js';

type Model = Pick<ModelRecord, 'kind' | 'name'>;

/** A file that the fleet fetched. */
export interface FetchedFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly fetched_at: number;
  readonly used_at: number;
  readonly verified_at: number;
  /** Tells whether somebody has replaced the file. */
  readonly modified_at: number;
}

/** The fleet's own files, in the models folder and in the folder of each kind. Its names end in no extension of a model. */
const OWN = '.comfy-fleet';
/** ComfyUI also reads these folders for a kind. */
const OLD_NAMES: Partial<Record<ModelKind, string>> = { diffusion_models: 'unet', text_encoders: 'clip' };
/** How long an unfinished file is kept for its fetch to continue. */
const STALE_MS = 3_600_000;
const BLOCK = 4096;
/** Disk space of the fleet's own files and folders, and of the record of each model. */
const OWN_BYTES = 16 * BLOCK;
const OWN_BYTES_PER_FILE = 512;

/** The id of a models folder, which all workers that share it read. */
export async function folderId(dir: string): Promise<string> {
  // Not with its parents: a models folder that does not exist may be a volume that is not mounted.
  await mkdir(join(dir, OWN)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const path = join(dir, OWN, 'id');
  const known = await readFile(path, 'utf8').catch(() => '');
  if (/^[0-9a-f]{32}$/.test(known)) return known;
  // Linked in one step, so that no other worker reads half an id, and the first one wins.
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, randomBytes(16).toString('hex'));
  try {
    if (known !== '') await rm(path, { force: true });
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path, 'utf8');
}

/**
 * The models folder on the disk, for the one worker that manages it. Counts what the fleet has fetched and is about to
 * fetch; files of others are only seen.
 */
export class FolderOnDisk {
  readonly dir: string;
  readonly maxBytes: number;
  readonly #minFreeBytes: number;
  readonly #fetched: Map<string, FetchedFile>;
  /** Disk space that fetches have reserved, and how much of it they have used. */
  readonly #reserved = new Map<string, { readonly bytes: number; written: number }>();
  /** Models that are recorded, but whose files do not have their names yet. */
  readonly #placing = new Set<string>();
  /** Unfinished files that no fetch continues at the moment. */
  readonly #idle = new Map<string, { readonly bytes: number; readonly paths: PartPaths; readonly at: number }>();

  #saving: Promise<void> = Promise.resolve();

  private constructor(dir: string, maxBytes: number, minFreeBytes: number, fetched: Map<string, FetchedFile>) {
    this.dir = dir;
    this.maxBytes = maxBytes;
    this.#minFreeBytes = minFreeBytes;
    this.#fetched = fetched;
  }

  /** Opens it, and looks for files of an earlier process. `maxBytes`: undefined for 80 % of the volume. */
  static async open(dir: string, limits: { readonly maxBytes: number | undefined; readonly minFreeBytes: number }) {
    await folderId(dir);
    const { blocks, bsize } = await statfs(dir);
    const maxBytes = limits.maxBytes ?? Math.floor(blocks * bsize * 0.8);
    const text = await readFile(join(dir, OWN, 'fetched.json'), 'utf8').catch(() => '{}');
    const folder = new FolderOnDisk(dir, maxBytes, limits.minFreeBytes, new Map(parseFetched(text)));
    for (const id of folder.#fetched.keys()) await folder.look(modelOf(id));
    await folder.#save();
    await folder.#findParts();
    return folder;
  }

  /** Bytes on the disk that count: models that the fleet fetched, and what is reserved or unfinished. */
  get usedBytes(): number {
    return this.#busyBytes + sum([...this.#idle.values()].map(({ bytes }) => bytes));
  }

  get #busyBytes(): number {
    const files = [...this.#fetched.values(), ...this.#reserved.values()];
    const bookkeeping = OWN_BYTES + onDisk(OWN_BYTES_PER_FILE * files.length);
    return bookkeeping + sum(files.map(({ bytes }) => onDisk(bytes)));
  }

  /** Bytes that a fetch may still reserve, if unfinished files are deleted for it. */
  async room(): Promise<number> {
    return this.#roomBeside(await this.#freeBytes());
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.dir);
    return bavail * bsize;
  }

  #roomBeside(free: number): number {
    const unwritten = sum([...this.#reserved.values()].map(({ bytes, written }) => Math.max(0, bytes - written)));
    const idle = sum([...this.#idle.values()].map(({ bytes }) => bytes));
    const room = Math.min(this.maxBytes - this.#busyBytes, free + idle - unwritten - this.#minFreeBytes);
    return Math.max(0, Math.floor(room / BLOCK - 1) * BLOCK);
  }

  fetchedFile(model: Model): FetchedFile | undefined {
    return this.#fetched.get(modelId(model));
  }

  get fetchedIds(): readonly string[] {
    return [...this.#fetched.keys()];
  }

  /** The file of a model; undefined if the folder lacks it. A file that was replaced is not ours any more. */
  async look(model: Model): Promise<{ readonly path: string; readonly bytes: number } | undefined> {
    const id = modelId(model);
    const ours = this.#placing.has(id) ? undefined : this.#fetched.get(id);
    const found = await this.#stat(model);
    if (ours !== undefined && (found?.size !== ours.bytes || Math.abs(found.mtimeMs - ours.modified_at) > 1)) {
      this.#fetched.delete(id);
    }
    return found && { path: found.path, bytes: found.size };
  }

  async #stat({ kind, name }: Model) {
    for (const folder of [kind, OLD_NAMES[kind]]) {
      if (folder === undefined) continue;
      const path = join(this.dir, folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile()) return { path, size: found.size, mtimeMs: found.mtimeMs };
    }
    return undefined;
  }

  /** Where the model is or will be. */
  pathOf({ kind, name }: Model): string {
    return join(this.dir, kind, name);
  }

  /**
   * Reserves disk space for a fetch, or changes what it has reserved. Deletes unfinished files of others if that is
   * needed. Throws no_space.
   */
  async reserve(model: Model, bytes: number): Promise<void> {
    const id = modelId(model);
    const free = await this.#freeBytes();
    // Nothing is awaited between looking and reserving, so that two fetches cannot get the same space.
    const before = this.#reserved.get(id);
    const idle = this.#idle.get(id);
    this.#reserved.delete(id);
    const room = this.#roomBeside(free);
    if (bytes > room) {
      if (before !== undefined) this.#reserved.set(id, before);
      throw new ModelFault('no_space', `The file has ${bytes} bytes, and the models folder has space for ${room}.`, {
        bytes,
      });
    }
    this.#reserved.set(id, { bytes, written: before?.written ?? idle?.bytes ?? 0 });
    this.#idle.delete(id);
    for (const [other, { paths }] of [...this.#idle].sort(([, one], [, two]) => one.at - two.at)) {
      if (this.usedBytes <= this.maxBytes) break;
      await removePart(paths);
      this.#idle.delete(other);
    }
  }

  /** Tells how much of its reservation a fetch has used. */
  written(model: Model, bytes: number): void {
    const reserved = this.#reserved.get(modelId(model));
    if (reserved !== undefined) reserved.written = bytes;
  }

  /** A fetch has ended: its unfinished file waits to be continued, or is deleted. */
  async release(model: Model, { keepPart }: { readonly keepPart: boolean }): Promise<void> {
    const id = modelId(model);
    const paths = this.#partPaths(model);
    if (keepPart && (await readProgress(paths)) !== undefined) {
      this.#idle.set(id, { bytes: await sizeOnDisk(paths), paths, at: Date.now() });
    } else {
      await removePart(paths);
    }
    this.#reserved.delete(id);
  }

  /** Deletes unfinished files whose fetch has not continued for STALE_MS, and those of deleted models. */
  async sweep(isDeleted: (id: string) => boolean): Promise<void> {
    for (const [id, { paths, at }] of this.#idle) {
      if (!isDeleted(id) && at > Date.now() - STALE_MS) continue;
      await removePart(paths);
      this.#idle.delete(id);
    }
  }

  /** The unfinished file of a model. Refuses a model that would be outside of the folder of its kind. */
  async part(model: Model): Promise<PartPaths> {
    const parent = dirname(this.pathOf(model));
    await mkdir(join(this.dir, model.kind, OWN), { recursive: true });
    const kind = await realpath(join(this.dir, model.kind));
    const existing = await realpath(await existingFolder(parent));
    // The folder of a kind may be a link to another volume, but nothing in it may lead elsewhere.
    const isInside = existing === kind || existing.startsWith(kind + sep);
    if (!isInside || model.name.split('/').some((part) => part === '' || part.startsWith('.'))) {
      throw new ModelFault('disk_failed', `${model.name} would be outside of the folder of ${model.kind}.`);
    }
    await mkdir(parent, { recursive: true });
    return this.#partPaths(model);
  }

  #partPaths({ kind, name }: Model): PartPaths {
    const digest = createHash('sha256').update(name).digest('hex').slice(0, 32);
    const base = join(this.dir, kind, OWN, digest);
    return { data: `${base}.part`, progress: `${base}.progress` };
  }

  /** Makes a finished file visible. Never replaces a file of somebody else. */
  async place(model: Model, { sha256, bytes }: Pick<FetchedFile, 'sha256' | 'bytes'>): Promise<void> {
    const id = modelId(model);
    const paths = this.#partPaths(model);
    const path = this.pathOf(model);
    const isTaken = await lstat(path).then(
      () => true,
      () => false,
    );
    if (isTaken && !this.#fetched.has(id)) {
      throw new ModelFault('disk_failed', `${id} exists already, and the fleet did not fetch it.`);
    }
    const now = Date.now();
    await utimes(paths.data, new Date(now), new Date(now));
    const { mtimeMs } = await stat(paths.data);
    const file = { sha256, bytes, fetched_at: now, used_at: now, verified_at: now, modified_at: mtimeMs };
    // Recorded first: a file that is there without a record would never be counted or evicted.
    this.#fetched.set(id, file);
    this.#reserved.delete(id);
    this.#placing.add(id);
    try {
      await this.#save();
      await rename(paths.data, path);
    } finally {
      this.#placing.delete(id);
    }
    await syncFolder(dirname(path));
    await rm(paths.progress, { force: true });
  }

  /** Deletes a file that the fleet fetched. */
  async evict(model: Model): Promise<void> {
    if ((await this.look(model)) === undefined || !this.#fetched.has(modelId(model))) return;
    await unlink(this.pathOf(model)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    this.#fetched.delete(modelId(model));
    await this.#save();
  }

  /** Records uses and checks of files that the fleet fetched. */
  async update(changes: ReadonlyMap<string, Partial<Pick<FetchedFile, 'used_at' | 'verified_at'>>>): Promise<void> {
    for (const [id, change] of changes) {
      const file = this.#fetched.get(id);
      if (file !== undefined) this.#fetched.set(id, { ...file, ...change });
    }
    await this.#save();
  }

  /** One after the other, so that no older content replaces a newer one. */
  #save(): Promise<void> {
    const saved = this.#saving.then(() => this.#write());
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  async #write(): Promise<void> {
    const path = join(this.dir, OWN, 'fetched.json');
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(JSON.stringify(Object.fromEntries(this.#fetched)));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }

  /** Finds the unfinished files of an earlier process, and deletes what cannot be continued. */
  async #findParts(): Promise<void> {
    for (const kind of await readdir(this.dir)) {
      const dir = join(this.dir, kind, OWN);
      const names = await readdir(dir).catch(() => []);
      for (const base of new Set(names.map((name) => name.replace(/\.(part|progress)$/, '')))) {
        const paths = { data: join(dir, `${base}.part`), progress: join(dir, `${base}.progress`) };
        const known = await readProgress(paths);
        if (known === undefined) await removePart(paths);
        else this.#idle.set(known.content.id, { bytes: await sizeOnDisk(paths), paths, at: Date.now() });
      }
    }
    // Temporary files of a process that was killed while it wrote them.
    for (const name of await readdir(join(this.dir, OWN))) {
      if (/^(fetched\.json|id)\.[0-9a-f]{12}$/.test(name)) await rm(join(this.dir, OWN, name), { force: true });
    }
  }
}

/** The folder, or the nearest one above it that exists. */
async function existingFolder(dir: string): Promise<string> {
  const isThere = await lstat(dir).then(
    () => true,
    () => false,
  );
  return isThere ? dir : existingFolder(dirname(dir));
}

/** The reverse of `modelId`. */
export function modelOf(id: string): Model {
  const at = id.indexOf('/');
  return { kind: id.slice(0, at) as ModelKind, name: id.slice(at + 1) };
}

function parseFetched(text: string): [string, FetchedFile][] {
  try {
    return Object.entries(JSON.parse(text) as Record<string, FetchedFile>);
  } catch {
    return [];
  }
}

/** Disks store whole blocks. */
function onDisk(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

async function sizeOnDisk(paths: PartPaths): Promise<number> {
  const sizes = await Promise.all(Object.values(paths).map((path: string) => stat(path).catch(() => undefined)));
  return sum(sizes.map((found) => (found === undefined ? 0 : found.blocks * 512)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** A rename survives a power cut only after its folder was synced. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
