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
  /** A file of the folder has the same name, and serves when this one is deleted. */
  readonly hidesFile: boolean;
  /** When and by whom it was published; undefined for a file of the folder. */
  readonly published: PublishedVersion | undefined;
}

/** The workflows of this process: those of the folder and of the registry, which wins by name, as they are now. */
export interface LiveWorkflows extends Workflows {
  readonly served: ReadonlyMap<string, Served>;
  readonly faults: readonly WorkflowFault[];
  /** Changes whenever a workflow does. */
  readonly revision: number;
  /** While it is false, published workflows seem to be absent, or to be the file of the same name. */
  readonly isRegistryRead: boolean;
  /** Reads the registry now: after a change of our own. */
  readRegistry(): Promise<void>;
}

export interface LiveOptions {
  readonly dir: string;
  readonly checkpoint: string | undefined;
  readonly registry: WorkflowRegistry;
  /** How often folder and registry are read. */
  readonly everyMs?: number;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A change in the folder is served that much later at most, and so is one in the registry whose message was lost. */
const READ_MS = 2000;

/** Throws a WorkflowError when the folder lacks what every fleet needs. */
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
  /** Never joins a reading that is under way: it may have begun before the change. */
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
    await registry
      .onChange(() => void tryRegistry())
      .catch((error: unknown) => log.debug('there are no messages about workflows', { error }));
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

/** What the registry has under a name. */
interface Entry {
  /** The newest version, whether it could be opened or not. */
  readonly version: string;
  /** The newest version that could be opened. */
  readonly good: { readonly workflow: Workflow; readonly published: PublishedVersion } | undefined;
  /** What is wrong with the newest version. */
  readonly fault?: string;
}

/** The workflows of the registry as they were read last. */
function createPublished(registry: Pick<WorkflowRegistry, 'list' | 'source'>, log: Logger) {
  let entries: ReadonlyMap<string, Entry> = new Map();

  const open = async (name: string, published: PublishedVersion, good: Entry['good']): Promise<Entry> => {
    const { version } = published;
    const broken = (fault: string) => {
      log.error('a published workflow cannot be used', { workflow: name, fault });
      return { version, good, fault };
    };
    const text = await registry.source(version);
    if (text === undefined) return broken('its source is not there');
    try {
      return { version, good: { workflow: openWorkflow(name, text), published } };
    } catch (error) {
      if (error instanceof WorkflowError) return broken(error.faults.join('; '));
      throw error;
    }
  };

  return {
    entries: () => entries,
    /** Reads what has changed. Returns whether anything has. Throws queue_unavailable. */
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

/** The workflows of the folder: of each the last version that could be used. */
interface FolderWorkflows {
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
  readonly faults: FolderReading['faults'];
  /** Reads the folder if a file has changed since it was last read. Returns whether it did. */
  read(): Promise<boolean>;
}

/** Throws a WorkflowError when what every fleet needs is missing or wrong. */
async function openFolderWorkflows(
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
