import { type ModelCopy, modelId, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { WorkerLedger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { modelsNeeded } from '@comfy-fleet/workflows';
import type { Instance } from '../instance/instance.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import type { Keeper, KeeperOptions } from './keeper.js';
import type { ModelSetup } from './setup.js';
import { createCopyWatch } from './watch-copies.js';

/** The model folders of this worker's instances. */
export interface ModelFolderUse {
  /** Tells other workers which folders are used here, and the instances what is in them. Call it often. */
  poll(): Promise<void>;
  instancesOf(folder: string): readonly Instance[];
  /** Whether some of these models are going to be fetched for the instance. */
  isFetching(instance: Instance, ids: readonly string[]): Promise<boolean>;
  /** The instance was given a job with this request. */
  assigned(instance: Instance, request: ResolvedRequest): void;
  /** Resolves when all keepers have stopped. */
  stopped(): Promise<void>;
}

interface Options {
  /** `dir`: its models folder; undefined if none is managed. */
  readonly instances: readonly { readonly instance: Instance; readonly dir: string | undefined }[];
  readonly setup: Pick<ModelSetup, 'idOf' | 'createKeeper'> | undefined;
  readonly keeping: Pick<KeeperOptions, 'worker' | 'planner' | 'signal'> & Pick<WorkerLedger, 'models'>;
  readonly workflows: KnownWorkflows;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface UsedFolder {
  readonly instances: readonly Instance[];
  readonly follow: ReturnType<typeof createCopyWatch>;
  readonly keeper: Keeper;
  /** Undefined until other workers know that the folder is used here. */
  running: Promise<void> | undefined;
  copies: ReadonlyMap<string, ModelCopy>;
  joinedAt: number;
}

/** How often it says that it uses a folder. */
const JOIN_MS = 20_000;

export function createModelFolderUse(options: Options): ModelFolderUse {
  const { setup, keeping, workflows, signal, log } = options;
  const { worker, models } = keeping;
  const folders = new Map<string, UsedFolder>();
  const dirs = new Set(options.instances.flatMap(({ dir }) => dir ?? []));
  const unopened = new Map([...dirs].map((dir) => [dir, { isReported: false }]));
  const folderOf = (instance: Instance) => [...folders.values()].find(({ instances }) => instances.includes(instance));

  const open = async (dir: string, { idOf, createKeeper }: NonNullable<Options['setup']>) => {
    const id = await idOf(dir);
    const instances = options.instances.filter((one) => one.dir === dir).map(({ instance }) => instance);
    // Two paths may lead to the same folder.
    const before = folders.get(id);
    const all = [...(before?.instances ?? []), ...instances];
    const keeper = before?.keeper ?? createKeeper({ id, dir, ...keeping });
    const { notListed } = keeper;
    const follow = createCopyWatch({ instances: all, notListed, signal, log });
    const fresh = { copies: new Map(), joinedAt: Number.NEGATIVE_INFINITY };
    folders.set(id, { instances: all, follow, keeper, running: before?.running, ...fresh });
  };
  const openAll = async () => {
    if (setup === undefined) return;
    for (const [dir, unusable] of unopened) {
      try {
        await open(dir, setup);
        unopened.delete(dir);
      } catch (error) {
        if (!unusable.isReported) log.error('the models folder cannot be used; no models are fetched', { dir, error });
        unusable.isReported = true;
      }
    }
  };
  const follow = async (id: string, folder: UsedFolder) => {
    const now = performance.now();
    if (now - folder.joinedAt >= JOIN_MS) {
      const { instances } = folder;
      const pools = [...new Set(instances.flatMap((instance) => instance.pools))];
      await models.join(id, { worker, instances: instances.map(({ name }) => name), pools });
      folder.joinedAt = now;
      folder.running ??= folder.keeper.run();
    }
    folder.copies = await models.copiesOf(id);
    folder.follow(folder.copies);
  };

  return {
    poll: async () => {
      await openAll();
      for (const [id, folder] of folders) await follow(id, folder);
    },
    instancesOf: (folder) => folders.get(folder)?.instances ?? [],
    isFetching: async (instance, ids) => {
      if (!options.instances.some((one) => one.instance === instance && one.dir !== undefined)) return false;
      const records = await models.list();
      const states = ids.filter((id) => records.has(id)).map((id) => folderOf(instance)?.copies.get(id)?.state);
      return states.some((state) => state !== 'ready' && state !== 'failed');
    },
    assigned: (instance, request) => {
      const workflow = workflows.of(request);
      const folder = folderOf(instance);
      if (workflow === undefined || folder === undefined) return;
      folder.keeper.used(modelsNeeded(workflow, request, instance.abilities ?? {}).map(modelId));
    },
    stopped: async () => {
      await Promise.all([...folders.values()].map(({ running }) => running));
    },
  };
}
