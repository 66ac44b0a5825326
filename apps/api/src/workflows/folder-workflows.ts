import type { Lod, WorkflowFault } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { type FolderReading, type LodProfile, readFolder, requireWhole, type Workflow } from '@comfy-fleet/workflows';

/** The workflows of the folder: of each the last version that could be used. */
export interface FolderWorkflows {
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  readonly faults: readonly WorkflowFault[];
  /** Reads the folder again. */
  read(): Promise<void>;
}

interface FolderOptions {
  readonly checkpoint: string | undefined;
  readonly log: Logger;
}

/** Throws a WorkflowError when what every fleet needs is missing or wrong. */
export async function openFolderWorkflows(dir: string, { checkpoint, log }: FolderOptions): Promise<FolderWorkflows> {
  let reading = await readFolder(dir, { checkpoint });
  let { byName, profiles } = requireWhole(reading);

  const tell = (before: readonly string[]) => {
    for (const { detail } of reading.faults) {
      if (!before.includes(detail)) log.error('a file of the workflows cannot be used', { dir, fault: detail });
    }
  };
  tell([]);

  /** What is broken stays as it was; what is gone is gone, but for what /generate and /img2img need. */
  const withLastGood = (next: FolderReading): ReadonlyMap<string, Workflow> => {
    const broken = new Set(next.faults.map(({ name }) => name));
    const kept = [...byName].filter(([name]) => broken.has(name));
    return new Map([...kept, ...next.byName]);
  };

  return {
    get byName() {
      return byName;
    },
    get profiles() {
      return profiles;
    },
    get faults() {
      return reading.faults.map(({ name, detail }) => ({ source: 'folder' as const, name, detail }));
    },
    read: async () => {
      const before = reading.faults.map(({ detail }) => detail);
      reading = await readFolder(dir, { checkpoint });
      byName = withLastGood(reading);
      profiles = reading.profiles ?? profiles;
      tell(before);
    },
  };
}
