import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import type { Lod, WorkflowFault, WorkflowPlace } from '@comfy-fleet/contracts';
import type { PublishedVersion, WorkflowRegistry } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import {
  type FolderReading,
  type LodProfile,
  openWorkflow,
  readFolder,
  requireWhole,
  type Workflow,
  WorkflowError,
  type Workflows,
} from '@comfy-fleet/workflows';

/** A workflow as it is served now. */
export interface Served {
  readonly workflow: Workflow;
  readonly source: WorkflowPlace;
  /** A file in the folder has the same name. It is served again when this workflow is deleted. */
  readonly hidesFile: boolean;
  /** When and by whom it was published; undefined for a file of the folder. */
  readonly published: PublishedVersion | undefined;
}

/** The current workflows of this process, from the folder and the registry. If both have a name, the registry wins. */
export interface LiveWorkflows extends Workflows {
  readonly served: ReadonlyMap<string, Served>;
  readonly faults: readonly WorkflowFault[];
  /** Changes whenever a workflow changes. */
  readonly revision: number;
  /** False until the registry has been read. Before that, a published workflow is missing or hidden by a file of its name. */
  readonly isRegistryRead: boolean;
  /** Reads the registry at once, to serve a change that this process has made. */
  readRegistry(): Promise<void>;
}

export interface LiveOptions {
  readonly dir: string;
  readonly checkpoint: string | undefined;
  readonly registry: WorkflowRegistry;
  /** How often the folder and the registry are read. */
  readonly everyMs?: number;
  /** Stops reading when aborted. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Changes are served within two seconds. */
const READ_MS = 1000;

/** Throws a WorkflowError when the folder lacks something that every fleet needs. */
export async function openLiveWorkflows(options: LiveOptions): Promise<LiveWorkflows> {
  const { dir, checkpoint, registry, everyMs = READ_MS, signal, log } = options;
  const folder = await openFolderWorkflows(dir, { checkpoint, log });
  const published = createPublished(registry, log);
  let served: ReadonlyMap<string, Served> = new Map();
  let byName: ReadonlyMap<string, Workflow> = new Map();
  let revision = 0;
  let isRegistryRead = false;

  const merge = () => {
    const all = new Map<string, Served>();
    for (const [name, workflow] of folder.byName)
      all.set(name, { workflow, source: 'folder', hidesFile: false, published: undefined });
    for (const [name, { good }] of published.entries())
      if (good !== undefined) all.set(name, { ...good, source: 'registry', hidesFile: folder.byName.has(name) });
    served = all;
    byName = new Map([...all].map(([name, { workflow }]) => [name, workflow]));
    revision += 1;
  };
  merge();

  let reading: Promise<void> = Promise.resolve();
  /** Waits for a read that is running and then reads again, because that read may have begun before the change. */
  const readRegistry = () => {
    reading = reading
      .catch(() => undefined)
      .then(async () => {
        if (await published.read()) merge();
        isRegistryRead = true;
      });
    return reading;
  };
  const tryRegistry = () =>
    readRegistry().catch((error: unknown) => log.debug('the published workflows could not be read', { error }));
  const follow = async () => {
    try {
      for await (const _ of setInterval(everyMs, undefined, { signal, ref: false })) {
        const isChanged = await folder.read().catch((error: unknown) => {
          log.debug('the folder of workflows could not be read', { error });
          return false;
        });
        if (isChanged) merge();
        await tryRegistry();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  await tryRegistry();
  void follow();

  return {
    get byName() {
      return byName;
    },
    get profiles() {
      return folder.profiles;
    },
    get served() {
      return served;
    },
    get faults() {
      const ofFolder = folder.faults.map(({ name, detail }) => ({ source: 'folder' as const, name, detail }));
      const ofRegistry = [...published.entries()].flatMap(([name, { fault }]) =>
        fault === undefined ? [] : [{ source: 'registry' as const, name, detail: fault }],
      );
      return [...ofFolder, ...ofRegistry];
    },
    get revision() {
      return revision;
    },
    get isRegistryRead() {
      return isRegistryRead;
    },
    readRegistry,
  };
}

/** The state of one name in the registry. */
interface Entry {
  /** The newest version, even if it could not be opened. */
  readonly version: string;
  /** The newest version that could be opened. */
  readonly good: { readonly workflow: Workflow; readonly published: PublishedVersion } | undefined;
  /** Why the newest version could not be opened. */
  readonly fault?: string;
}

/** The workflows of the registry, as last read. */
function createPublished(registry: Pick<WorkflowRegistry, 'list' | 'source'>, log: Logger) {
  let entries: ReadonlyMap<string, Entry> = new Map();

  const open = async (name: string, published: PublishedVersion, good: Entry['good']): Promise<Entry> => {
    const { version } = published;
    const broken = (fault: string) => {
      log.error('a published workflow cannot be used', { workflow: name, fault });
      return { version, good, fault };
    };
    const text = await registry.source(version);
    if (text === undefined) return broken('its source is missing');
    try {
      return { version, good: { workflow: openWorkflow(name, text), published } };
    } catch (error) {
      if (error instanceof WorkflowError) return broken(error.faults.join('; '));
      throw error;
    }
  };

  return {
    entries: () => entries,
    /** Reads the list and opens new versions. Returns whether anything has changed. Throws queue_unavailable. */
    read: async () => {
      const next = new Map<string, Entry>();
      for (const [name, [newest]] of await registry.list()) {
        if (newest === undefined) continue;
        const before = entries.get(name);
        next.set(name, before?.version === newest.version ? before : await open(name, newest, before?.good));
      }
      const isChanged = next.size !== entries.size || [...next].some(([name, entry]) => entry !== entries.get(name));
      entries = next;
      return isChanged;
    },
  };
}

/** The workflows of the folder, each in the last version that could be used. */
interface FolderWorkflows {
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  readonly faults: FolderReading['faults'];
  /** Reads the folder if a file has changed since it was last read. Returns whether it did. */
  read(): Promise<boolean>;
}

/** Throws a WorkflowError when something that every fleet needs is missing or invalid. */
async function openFolderWorkflows(
  dir: string,
  { checkpoint, log }: { readonly checkpoint: string | undefined; readonly log: Logger },
): Promise<FolderWorkflows> {
  let state = await fingerprintOf(dir).catch(() => '');
  let { faults, ...reading } = await readFolder(dir, { checkpoint });
  let { byName, profiles } = requireWhole({ faults, ...reading });
  const logNew = (before: FolderReading['faults']) => {
    const known = new Set(before.map(({ detail }) => detail));
    for (const { detail } of faults)
      if (!known.has(detail)) log.error('a file in the folder of workflows cannot be used', { dir, fault: detail });
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
      const now = await fingerprintOf(dir);
      if (now === state) return false;
      const before = faults;
      ({ faults, ...reading } = await readFolder(dir, { checkpoint }));
      // A workflow whose file is broken keeps its last good version.
      const broken = new Set(faults.map(({ name }) => name));
      byName = new Map([...[...byName].filter(([name]) => broken.has(name)), ...reading.byName]);
      profiles = reading.profiles ?? profiles;
      logNew(before);
      state = now;
      return true;
    },
  };
}

/** A fingerprint of a folder's files from their metadata, without reading them. */
async function fingerprintOf(dir: string): Promise<string> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.json')).sort();
  const seen = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(join(dir, file));
      return [file, mtimeMs, size, ino].join(' ');
    }),
  );
  return seen.join('\n');
}
