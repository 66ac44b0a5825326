import { mkdir, open as openFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigOverrides, loadConfig } from '@comfy-fleet/config';
import type { ModelRecord } from '@comfy-fleet/contracts';
import { chooseFetches, NO_MEMORY, newModel } from '@comfy-fleet/jobs';
import { createMetrics } from '@comfy-fleet/telemetry';
import { freePort, safetensors, sha256, startModelSource, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { modelSetup } from '../../src/models/setup.js';
import { openLedgers, quietLog } from '../held.js';
import { temporaryFolder } from './fetching.js';

const KIB = 1024;
const A = 'loras/a.safetensors';
const B = 'loras/b.safetensors';

/** A ledger, a source, and workers that keep models folders. Nothing waits: models are fetched when somebody asks. */
async function open() {
  const ledgers = openLedgers();
  const source = await startModelSource();
  onTestFinished(() => source.close());
  const openModels = async (worker: string) => {
    const ledger = ledgers.worker(worker);
    onTestFinished(() => ledger.close());
    await until('the ledger answers', () =>
      ledger.ping(AbortSignal.timeout(10_000)).then(
        () => true,
        () => false,
      ),
    );
    return ledger.models;
  };
  const models = await openModels('observer');
  const inUse = new Set<string>();
  /** Fetches that the planner is to give up. */
  const giveUp: string[] = [];

  const startKeeper = async (worker: string, dir: string, overrides: ConfigOverrides['models'] = {}) => {
    const metrics = createMetrics({ service: 'worker', log: quietLog() });
    const own = await openModels(worker);
    const stopping = new AbortController();
    const { host } = new URL(source.url);
    const config = loadConfig(
      { MODEL_SOURCE_ALLOW: host },
      { models: { minFreeBytes: 0, evictAfterMs: 1, ...overrides } },
    );
    const setup = await modelSetup({ config, credentials: [], ports: [], metrics, log: quietLog() });
    const id = await setup.idOf(dir);
    await own.join(id, { worker, instances: [`${worker}/1`], pools: ['default'] });
    const keeper = setup.createKeeper({
      id,
      dir,
      worker,
      models: own,
      planner: {
        inUse: async () => inUse,
        plan: async ({ folder, copies, room }) => {
          const others = (await own.folders()).filter((other) => other.folder.id !== id);
          const view = { ...folder, instances: [], pools: ['default'], seen_at: Date.now() };
          const plan = chooseFetches({
            ...{ folder: view, copies, others, records: await own.list(), wanted: [], kept: new Set(), held: [], room },
            ...{ loadMs: () => 1000, memory: NO_MEMORY, patienceMs: 30_000, now: Date.now() },
          });
          return { ...plan, giveUp: giveUp.splice(0), inUse };
        },
      },
      signal: stopping.signal,
    });
    const stopped = keeper.run();
    const stop = async () => {
      stopping.abort();
      await stopped;
      await setup.close();
    };
    onTestFinished(stop);
    return { id, keeper, metrics, stop };
  };

  const change = (id: string, fields: Partial<ModelRecord>) => {
    const [kind, name] = ['loras', id.slice('loras/'.length)] as const;
    return models.change({ kind, name }, (before) => ({
      ...(before ?? newModel(kind, name, { sources: [`${source.url}/${name}`] })),
      ...fields,
    }));
  };
  return {
    ...{ source, models, inUse, giveUp, startKeeper, change },
    /** Registers a model that the source has, and asks for it. */
    add: async (id: string, bytes = 10 * KIB) => {
      const content = safetensors(bytes);
      source.files.set(id.slice('loras/'.length), { content });
      await change(id, { fetch_asked_at: Date.now() });
      return content;
    },
    copy: async (folder: string, id: string) => (await models.copiesOf(folder)).get(id),
  };
}

/** Waits until the folder has a copy in this state. */
async function inState({ copy }: Awaited<ReturnType<typeof open>>, folder: string, id: string, state: string) {
  return until(`${id} is ${state}`, async () => {
    const found = await copy(folder, id);
    return found?.state === state && found;
  });
}

describe('a keeper', () => {
  it('fetches a model that somebody asks for, announces it, pins its hash and counts it', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    const { id, metrics } = await fleet.startKeeper('w', dir);
    const content = await fleet.add(A);
    const ready = await inState(fleet, id, A, 'ready');
    expect(ready).toMatchObject({ bytes: content.length, fetched: content.length, is_ours: true });
    expect(await readFile(join(dir, A))).toEqual(content);
    await until('it is pinned', async () => (await fleet.models.list()).get(A)?.sha256 === sha256(content));
    expect((await fleet.models.list()).get(A)?.bytes).toBe(content.length);
    const folder = await until('the space that it takes is announced', async () => {
      const [found] = await fleet.models.folders();
      return (found?.folder.used_bytes ?? 0) > content.length && found;
    });
    expect(folder.folder).toMatchObject({ id, worker: 'w', instances: ['w/1'], pools: ['default'] });
    const text = await metrics.scrape();
    expect(text).toContain(`comfy_fleet_model_fetched_bytes_total{kind="loras"} ${content.length}`);
    expect(text).toContain('comfy_fleet_model_fetch_seconds_count{kind="loras"} 1');
    expect(text).toMatch(/comfy_fleet_model_folder_bytes [1-9]/);
  });

  it('announces why a fetch failed, and tries again at once when the model is changed', async () => {
    const fleet = await open();
    const { id, metrics } = await fleet.startKeeper('w', await temporaryFolder());
    fleet.source.files.set('a.safetensors', { content: safetensors(KIB), fault: 'login' });
    await fleet.change(A, { fetch_asked_at: Date.now() });
    const { error } = await inState(fleet, id, A, 'failed');
    expect(error).toMatchObject({ code: 'not_a_model' });
    expect(error?.retry_at).toBeGreaterThan(Date.now());
    expect(await metrics.scrape()).toContain(
      'comfy_fleet_model_fetch_failures_total{kind="loras",code="not_a_model"} 1',
    );
    fleet.source.files.set('good', { content: safetensors(KIB) });
    await fleet.change(A, { sources: [`${fleet.source.url}/good`] });
    await inState(fleet, id, A, 'ready');
  });

  it('deletes a model that is not registered any more, but never a file that the fleet did not fetch', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'loras'));
    await writeFile(join(dir, B), safetensors(KIB));
    const { id } = await fleet.startKeeper('w', dir);
    await fleet.add(A);
    await fleet.change(B, {});
    await inState(fleet, id, A, 'ready');
    expect(await inState(fleet, id, B, 'ready')).toMatchObject({ is_ours: false });
    for (const name of ['a.safetensors', 'b.safetensors']) {
      await fleet.models.change({ kind: 'loras', name }, () => undefined);
    }
    await until('both copies are gone', async () => (await fleet.models.copiesOf(id)).size === 0);
    expect(await readdir(join(dir, 'loras'))).toEqual(['.comfy-fleet', 'b.safetensors']);
  });

  it('keeps what it fetched if Redis has lost the registry', async () => {
    const dir = await temporaryFolder();
    const fleet = await open();
    const { id, stop } = await fleet.startKeeper('w', dir);
    await fleet.add(A);
    await inState(fleet, id, A, 'ready');
    await stop();
    const empty = await open();
    await empty.startKeeper('w', dir);
    await empty.add(B);
    await inState(empty, id, B, 'ready');
    expect(await inState(empty, id, A, 'ready')).toMatchObject({ is_ours: true });
    expect(await readdir(join(dir, 'loras'))).toContain('a.safetensors');
  });

  it('ends the fetch of a model that is not registered any more', async () => {
    const fleet = await open();
    const { id } = await fleet.startKeeper('w', await temporaryFolder());
    fleet.source.files.set('a.safetensors', { content: safetensors(KIB), fault: 'silent' });
    await fleet.change(A, { fetch_asked_at: Date.now() });
    await inState(fleet, id, A, 'fetching');
    await fleet.models.change({ kind: 'loras', name: 'a.safetensors' }, () => undefined);
    await until('nothing is fetched', async () => (await fleet.models.copiesOf(id)).size === 0);
  });

  it('counts a model that is fetched as not used, and gives it up when the planner says so, with a reason and a time for the next try', async () => {
    const fleet = await open();
    const { id } = await fleet.startKeeper('w', await temporaryFolder());
    fleet.source.files.set('a.safetensors', { content: safetensors(KIB), fault: 'silent' });
    await fleet.change(A, { fetch_asked_at: Date.now() });
    expect((await inState(fleet, id, A, 'fetching')).used_at).toBe(0);
    fleet.giveUp.push(A);
    const { error } = await inState(fleet, id, A, 'failed');
    expect(error).toMatchObject({ code: 'not_reachable', detail: 'The source is slow, and other models wait.' });
    expect(error?.retry_at).toBeGreaterThan(Date.now());
  });

  it('evicts no model that a job uses', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    const { id } = await fleet.startKeeper('w', dir);
    await fleet.add(A);
    await inState(fleet, id, A, 'ready');
    fleet.inUse.add(A);
    await fleet.models.change({ kind: 'loras', name: 'a.safetensors' }, () => undefined);
    await inState(fleet, id, A, 'evicting');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await readdir(join(dir, 'loras'))).toContain('a.safetensors');
    fleet.inUse.clear();
    await until('it is deleted', async () => !(await readdir(join(dir, 'loras'))).includes('a.safetensors'));
  });

  it('notices files that others put into the folder or delete', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    const { id } = await fleet.startKeeper('w', dir);
    await mkdir(join(dir, 'loras'));
    await fleet.change(B, {});
    await until('the keeper works', async () => (await fleet.models.folders()).length === 1);
    await writeFile(join(dir, B), safetensors(KIB));
    expect(await inState(fleet, id, B, 'ready')).toMatchObject({ is_ours: false, bytes: KIB });
    await rm(join(dir, B));
    await until('the copy is gone', async () => (await fleet.copy(id, B)) === undefined);
  });

  it('verifies its files when somebody asks, and deletes a damaged one', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    const { id } = await fleet.startKeeper('w', dir);
    await fleet.add(A);
    const { verified_at: before } = await inState(fleet, id, A, 'ready');
    const asked = Date.now();
    await fleet.change(A, { verify_asked_at: asked });
    await until('it is verified', async () => ((await fleet.copy(id, A))?.verified_at ?? 0) > (before ?? 0));
    // Damaged by the disk, which changes no times.
    await damage(join(dir, A));
    await fleet.change(A, { verify_asked_at: Date.now() + 1 });
    await until('it is deleted', async () => !(await readdir(join(dir, 'loras'))).includes('a.safetensors'));
    expect((await fleet.copy(id, A))?.state).not.toBe('fetching');
  });

  it('is one of the workers that share the folder; another takes over when that one stops', async () => {
    const fleet = await open();
    const dir = await temporaryFolder();
    const first = await fleet.startKeeper('w1', dir);
    await fleet.add(A);
    await inState(fleet, first.id, A, 'ready');
    const second = await fleet.startKeeper('w2', dir);
    expect(second.id).toBe(first.id);
    await first.stop();
    await fleet.add(B);
    await inState(fleet, first.id, B, 'ready');
    expect((await fleet.models.folders())[0]?.folder.worker).toBe('w2');
    expect(await fleet.copy(first.id, A)).toMatchObject({ state: 'ready', is_ours: true });
  });

  it('fetches from another host instead of the source', async () => {
    const fleet = await open();
    const token = 'a-token-of-the-fleet';
    const port = await freePort();
    const bytesPerSecond = 1e9;
    const [here, there] = [await temporaryFolder(), await temporaryFolder()];
    await fleet.startKeeper('w1', here, { peers: { url: `http://127.0.0.1:${port}`, token, bytesPerSecond } });
    const content = await fleet.add(A);
    await until('the first host has it', async () => (await readdir(join(here, 'loras')).catch(() => [])).length === 2);
    const second = await fleet.startKeeper('w2', there, { peers: { url: undefined, token, bytesPerSecond } });
    await inState(fleet, second.id, A, 'ready');
    expect(await readFile(join(there, A))).toEqual(content);
    expect(fleet.source.requests).toHaveLength(1);
  });
});

/** Flips a bit of a file, and keeps its times. */
async function damage(path: string): Promise<void> {
  const { atime, mtime, size } = await stat(path);
  const file = await openFile(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, size - 1);
  byte[0] = (byte[0] as number) ^ 1;
  await file.write(byte, 0, 1, size - 1);
  await file.utimes(atime, mtime);
  await file.close();
}
