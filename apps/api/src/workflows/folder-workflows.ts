import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lod } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { type FolderReading, type LodProfile, readFolder, requireWhole, type Workflow } from '@comfy-fleet/workflows';

/** The workflows of the folder: of each the last version that could be used. */
export interface FolderWorkflows {
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  readonly faults: FolderReading['faults'];
  /** Reads the folder if a file has changed since it was last read. Returns whether it did. */
  read(): Promise<boolean>;
}

/** Throws a WorkflowError when what every fleet needs is missing or wrong. */
export async function openFolderWorkflows(
  dir: string,
  { checkpoint, log }: { readonly checkpoint: string | undefined; readonly log: Logger },
): Promise<FolderWorkflows> {
  let state = await stateOf(dir).catch(() => '');
  let { faults, ...reading } = await readFolder(dir, { checkpoint });
  let { byName, profiles } = requireWhole({ faults, ...reading });
  const logNew = (before: FolderReading['faults']) => {
    const known = new Set(before.map(({ detail }) => detail));
    for (const { detail } of faults)
      if (!known.has(detail)) log.error('a file of the workflows cannot be used', { dir, fault: detail });
  };
  logNew([]);
  return {
    get byName() {
      return byName;
    },
    get profiles() {
      return profiles;
    },
    get faults() {
      return faults;
    },
    read: async () => {
      const now = await stateOf(dir);
      if (now === state) return false;
      const before = faults;
      ({ faults, ...reading } = await readFolder(dir, { checkpoint }));
      // A workflow that is broken stays as it was.
      const broken = new Set(faults.map(({ name }) => name));
      byName = new Map([...[...byName].filter(([name]) => broken.has(name)), ...reading.byName]);
      profiles = reading.profiles ?? profiles;
      logNew(before);
      state = now;
      return true;
    },
  };
}

/** What can be seen of a folder's files without reading them. */
async function stateOf(dir: string): Promise<string> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.json')).sort();
  const seen = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(join(dir, file));
      return [file, mtimeMs, size, ino].join(' ');
    }),
  );
  return seen.join('\n');
}
