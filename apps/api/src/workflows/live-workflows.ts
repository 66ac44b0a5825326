import { setInterval } from 'node:timers/promises';
import type { WorkflowFault, WorkflowPlace } from '@comfy-fleet/contracts';
import type { PublishedVersion, WorkflowRegistry } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Workflow, Workflows } from '@comfy-fleet/workflows';
import { openFolderWorkflows } from './folder-workflows.js';
import { followFolder, stateOf } from './follow-folder.js';
import { createRegisteredWorkflows } from './registered.js';

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
  /** Another number whenever a workflow is another one. */
  readonly revision: number;
  /** Until then a workflow that was published seems not to be there, or to be the file of its name. */
  readonly isRegistryRead: boolean;
  /** Looks at the registry now: after a change of our own. */
  readRegistry(): Promise<void>;
}

export interface LiveOptions {
  readonly dir: string;
  readonly checkpoint: string | undefined;
  readonly registry: WorkflowRegistry;
  /** How often is looked at what nobody told of. */
  readonly everyMs?: number;
  /** Nothing is followed any more. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** How late a change may be seen of which nobody told. */
const LOOK_MS = 2000;

/** Throws a WorkflowError when the folder lacks what every fleet needs. */
export async function openLiveWorkflows(options: LiveOptions): Promise<LiveWorkflows> {
  const { dir, checkpoint, registry, everyMs = LOOK_MS, signal, log } = options;
  const known = await stateOf(dir).catch(() => '');
  const folder = await openFolderWorkflows(dir, { checkpoint, log });
  const registered = createRegisteredWorkflows(registry, log);
  let served: ReadonlyMap<string, Served> = new Map();
  let byName: ReadonlyMap<string, Workflow> = new Map();
  let revision = 0;
  let isRegistryRead = false;

  const merge = () => {
    served = new Map<string, Served>([
      ...[...folder.byName].map(
        ([name, workflow]) => [name, { workflow, source: 'folder', hidesFile: false, published: undefined }] as const,
      ),
      ...[...registered.served].map(
        ([name, entry]) => [name, { ...entry, source: 'registry', hidesFile: folder.byName.has(name) }] as const,
      ),
    ]);
    byName = new Map([...served].map(([name, { workflow }]) => [name, workflow]));
    revision += 1;
  };
  merge();

  let reading: Promise<void> = Promise.resolve();
  /** One after the other: a reading that began before a change may not have seen it. */
  const readRegistry = () => {
    const read = reading
      .catch(() => undefined)
      .then(async () => {
        if (await registered.read()) merge();
        isRegistryRead = true;
      });
    reading = read;
    return read;
  };
  const look = () =>
    readRegistry().catch((error: unknown) => log.debug('the published workflows could not be read', { error }));
  const follow = async () => {
    await registry
      .onChange(() => void look())
      .catch((error: unknown) => log.debug('nobody tells of workflows', { error }));
    try {
      for await (const _ of setInterval(everyMs, undefined, { signal, ref: false })) await look();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  await look();
  void follow();
  const changed = async () => {
    await folder.read();
    merge();
  };
  void followFolder(dir, { changed, known, everyMs, signal, log });

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
      const ofRegistry = [...registered.faults].map(([name, detail]) => ({
        source: 'registry' as const,
        name,
        detail,
      }));
      return [...folder.faults, ...ofRegistry];
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
