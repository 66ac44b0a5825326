import { resolve } from 'node:path';
import { type Abilities, type ModelCopy, WAIT_CODES, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { type FleetOverview, type Halts, type JobRecord, type JobSnapshot, newModel } from '@comfy-fleet/jobs';
import { pictureRequest } from '@comfy-fleet/testing';
import { loadWorkflows } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { type Circumstances, waitingFor } from '../src/orders/waiting-for.js';
import { aFolder, anInstance, aWorker } from './announcements.js';

const CHECKPOINT = 'sd_xl_base_1.0.safetensors';
const NO_HALTS: Halts = { fleet: undefined, pools: new Map(), instances: new Map() };
const HALT = { since: 1_760_000_000_000, by: 'ada' };
const RESTS_UNTIL = 1_760_000_060_000;

const workflows = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
const workflow = workflows.byName.get('text2img');

const REQUEST = pictureRequest({ checkpoint: CHECKPOINT });

function aSnapshot(record: Partial<JobRecord> = {}, place: Partial<JobSnapshot> = {}): JobSnapshot {
  const waiting = {
    status: 'queued',
    phase: 'waiting',
    pool: 'default',
    promptId: null,
    reusedFrom: null,
    ooms: 0,
    retriedAfter: null,
  };
  return {
    record: { ...waiting, request: REQUEST, ...record } as JobRecord,
    ahead: 3,
    isHeldBack: false,
    isOverStorage: false,
    isOverGpuLimit: false,
    isHeldAfterKill: false,
    restsUntil: null,
    lastEventId: '0-0',
    ...place,
  };
}

function overview(workers: readonly WorkerAnnouncement[] = [aWorker()], halts: Partial<Halts> = {}): FleetOverview {
  return { now: 0, pools: [], workers, halts: { ...NO_HALTS, ...halts }, slowness: new Map() };
}

/** The abilities of an instance that has these checkpoints. */
function has(checkpoints: readonly string[]): Abilities {
  const nodes = Object.values(workflow?.graph ?? {}).map(({ class_type }) => [class_type, {}] as const);
  return { ...Object.fromEntries(nodes), CheckpointLoaderSimple: { ckpt_name: checkpoints } };
}

const able = (abilities: Abilities, instance = 'gpu-1/1') => ({ instance, seenAt: 0, abilities });

function said(snapshot: JobSnapshot, more: Partial<Circumstances> = {}) {
  const abilities = more.abilities ?? [able(has([CHECKPOINT]))];
  const known = { abilities, choosable: abilities, models: { records: new Map(), folders: [] } };
  return waitingFor(snapshot, { overview: overview(), workflow, ...known, ...more });
}

const of = (...instances: Parameters<typeof anInstance>[0][]) => aWorker({ instances: instances.map(anInstance) });
const FULL = aWorker({ storeFault: { reason: 'the disk is full', since: 1 } });

describe('a waiting job waits', () => {
  it.each([
    [3, '3 jobs come before it.'],
    [1, 'One job comes before it.'],
    [0, 'It comes next.'],
    [null, 'Other jobs come before it.'],
  ])('for its turn, with %s ahead', (ahead, detail) => {
    expect(said(aSnapshot({}, { ahead }))).toEqual({ code: 'turn', detail });
  });

  it('for the job whose outputs it will have', () => {
    const detail = 'It will have the outputs of the job 019e.';
    expect(said(aSnapshot({ reusedFrom: '019e' }, { restsUntil: RESTS_UNTIL }))).toEqual({ code: 'turn', detail });
  });

  it('in the queue of an instance, which is named', () => {
    const submitted = aSnapshot({ phase: 'submitted', promptId: 'p', instance: 'gpu-1/1' }, { ahead: null });
    expect(said(submitted)).toMatchObject({ code: 'turn', detail: expect.stringContaining('queue of gpu-1/1') });
    const claimed = aSnapshot({ phase: 'claimed' }, { ahead: null });
    expect(said(claimed, { overview: overview([], { fleet: HALT }) })).toMatchObject({ code: 'turn' });
  });

  it('for the end of a pause of the fleet or its pool, but not of another pool', () => {
    const fleet = said(aSnapshot(), { overview: overview([], { fleet: HALT }) });
    expect(fleet).toEqual({ code: 'paused', detail: 'The fleet is paused until an operator resumes it.' });
    const pool = said(aSnapshot(), { overview: overview([], { pools: new Map([['default', HALT]]) }) });
    expect(pool).toEqual({ code: 'paused', detail: 'The pool default is paused until an operator resumes it.' });
    const other = overview([aWorker()], { pools: new Map([['other', HALT]]) });
    expect(said(aSnapshot(), { overview: other })).toMatchObject({ code: 'turn' });
  });

  it('for an instance of its pool that is up and takes jobs', () => {
    const none = (workers: WorkerAnnouncement[], halts: Partial<Halts> = {}) =>
      said(aSnapshot(), { overview: overview(workers, halts) });
    const elsewhere = aWorker({ pools: ['other'] });
    expect(none([elsewhere])).toEqual({ code: 'no_instance', detail: 'No worker serves the pool default.' });
    const workers = [
      of({ state: 'down' }, { state: 'resting' }, { state: 'warming' }, { name: 'gpu-1/4' }),
      aWorker({ name: 'gpu-2', draining: true }),
    ];
    expect(none(workers, { instances: new Map([['gpu-1/4', HALT]]) })).toEqual({
      code: 'no_instance',
      detail:
        'No instance of the pool default is up and takes jobs: 1 down, 1 resting after errors, 1 warming up, 1 drained, 1 stopping.',
    });
    expect(none([of({ state: 'down' }, {})])).toMatchObject({ code: 'turn' });
  });

  it('for a model that no running instance has', () => {
    const workers = [of({ name: 'gpu-1/1' }, { name: 'gpu-1/2', state: 'down' })];
    const abilities = [able(has(['other.safetensors'])), able(has([CHECKPOINT]), 'gpu-1/2')];
    expect(said(aSnapshot(), { overview: overview(workers), abilities })).toEqual({
      code: 'missing',
      detail: `No instance of the pool default that is up has ${CHECKPOINT} for ckpt_name of CheckpointLoaderSimple.`,
      missing: [{ node: 'CheckpointLoaderSimple', input: 'ckpt_name', value: CHECKPOINT }],
    });
  });

  it('for a node class, as the instance that lacks least would need it', () => {
    const { KSampler: _none, ...rest } = has([CHECKPOINT]);
    const workers = [of({ name: 'gpu-1/1' }, { name: 'gpu-1/2' })];
    const abilities = [able({}), able(rest, 'gpu-1/2')];
    expect(said(aSnapshot(), { overview: overview(workers), abilities })).toEqual({
      code: 'missing',
      detail: 'No instance of the pool default that is up has the node KSampler.',
      missing: [{ node: 'KSampler', input: null, value: null }],
    });
  });

  it('for no missing part while the catalogue of a running instance is unknown', () => {
    const workers = [of({ name: 'gpu-1/1' }, { name: 'gpu-1/2' })];
    expect(said(aSnapshot(), { overview: overview(workers), abilities: [able({})] })).toMatchObject({ code: 'turn' });
    expect(said(aSnapshot(), { abilities: [able({})], workflow: undefined })).toMatchObject({ code: 'turn' });
  });

  describe('for a registered model that no running instance has', () => {
    const id = `checkpoints/${CHECKPOINT}`;
    const model = newModel('checkpoints', CHECKPOINT, { sources: [], bytes: 1000 });
    const fetched = (...copies: ModelCopy[]) => {
      const folders = copies.map((copy) => ({ folder: aFolder(), copies: new Map([[id, copy]]) }));
      const models = { records: new Map([[id, model]]), folders };
      return said(aSnapshot(), { abilities: [able(has([]))], choosable: [able(has([CHECKPOINT]))], models });
    };
    const copy: ModelCopy = { state: 'fetching', bytes: 1000, fetched: 500, used_at: 0, is_ours: true };
    const error = { code: 'not_reachable', detail: 'https://secret.example', at: 0 } as const;

    it('until a host fetches it', () => {
      expect(fetched()).toEqual({
        code: 'models',
        detail: `Models are missing: ${id} waits until a host fetches it.`,
        models: [{ kind: 'checkpoints', name: CHECKPOINT, bytes: 1000, fetched: 0, eta_seconds: null }],
      });
    });

    it('until the host that has most of it has fetched it, with the time that this takes', () => {
      expect(fetched({ ...copy, state: 'failed', error }, { ...copy, fetched: 100 }, copy)).toMatchObject({
        detail: `Models are missing: ${id} is being fetched.`,
        models: [{ fetched: 500, eta_seconds: 5 }],
      });
    });

    it('until its source works again, with the fault but without the source', () => {
      expect(fetched({ ...copy, state: 'failed', error: { ...error, retry_at: RESTS_UNTIL } })?.detail).toBe(
        `Models are missing: ${id} cannot be used, which is tried again at ${new Date(RESTS_UNTIL).toISOString()}: ` +
          'The source cannot be reached.',
      );
    });
  });

  it('for another GPU after it ran out of memory twice', () => {
    expect(said(aSnapshot({ ooms: 1 }))).toMatchObject({ code: 'turn' });
    expect(said(aSnapshot({ ooms: 2 }))).toEqual({
      code: 'memory',
      detail: 'It ran out of memory twice and waits for another GPU of the pool default with at least as much memory.',
    });
  });

  it('for the storage when no worker can store pictures', () => {
    expect(said(aSnapshot(), { overview: overview([FULL]) })).toMatchObject({ code: 'storage' });
    const other = aWorker({ name: 'gpu-2' });
    expect(said(aSnapshot(), { overview: overview([FULL, other]) })).toMatchObject({ code: 'turn' });
  });

  it('for another job of its key to end', () => {
    expect(said(aSnapshot({}, { isHeldBack: true }))).toMatchObject({ code: 'running_limit' });
  });

  it('for files of its key to be deleted while they use up its share of the storage', () => {
    expect(said(aSnapshot({}, { isOverStorage: true }))).toMatchObject({ code: 'storage_share' });
    expect(said(aSnapshot({}, { isHeldAfterKill: true }))?.detail).toMatch(/stopped a ComfyUI/);
    expect(said(aSnapshot({ promptId: 'p' }, { isOverStorage: true }))).toMatchObject({ code: 'turn' });
  });

  it('for the next day once its key has used up its GPU time, unless it needs none', () => {
    const place = { isOverGpuLimit: true };
    expect(said(aSnapshot({}, place))).toMatchObject({ code: 'gpu_limit' });
    expect(said(aSnapshot({ reusedFrom: '019e' }, place))).toMatchObject({ code: 'turn' });
    expect(said(aSnapshot({ promptId: 'p' }, place))).toMatchObject({ code: 'turn' });
  });

  it('for its next attempt, with the error that it follows', () => {
    const place = { restsUntil: RESTS_UNTIL };
    expect(said(aSnapshot({ retriedAfter: 'gpu_failed' }, place))).toEqual({
      code: 'retry',
      detail: 'The GPU or its driver failed; it is tried again after a pause.',
      after: 'gpu_failed',
      retry_at: new Date(RESTS_UNTIL).toISOString(),
    });
    expect(said(aSnapshot({}, place))).not.toHaveProperty('after');
    expect(said(aSnapshot({ retriedAfter: 'gpu_failed' }))).toMatchObject({ code: 'turn' });
  });

  it('for an instance, but not for the end of a pause or its key’s limit, when a ComfyUI may have its prompt', () => {
    const left = aSnapshot({ promptId: 'p' });
    const paused = { overview: overview([aWorker()], { fleet: HALT }), abilities: [able({})] };
    expect(said(left, paused)).toMatchObject({ code: 'turn', detail: expect.stringContaining('looks for its prompt') });
    expect(said({ ...left, isHeldBack: true })).toMatchObject({ code: 'turn' });
    expect(said(left, { overview: overview([], { fleet: HALT }) })).toMatchObject({ code: 'no_instance' });
  });

  it('for what its own record says while the fleet cannot be read', () => {
    expect(said(aSnapshot(), { overview: undefined })).toMatchObject({ code: 'turn' });
    expect(said(aSnapshot({}, { isHeldBack: true }), { overview: undefined })).toMatchObject({ code: 'running_limit' });
  });

  it('for the first reason that applies, in the order of the codes', () => {
    const held = { isHeldBack: true, isOverStorage: true, isOverGpuLimit: true, restsUntil: RESTS_UNTIL };
    const all = aSnapshot({ ooms: 2, retriedAfter: 'gpu_failed' }, held);
    const up = overview([FULL]);
    const unlimited = { isHeldBack: false, isOverStorage: false, isOverGpuLimit: false };
    const told = [
      said(all, { overview: overview([], { fleet: HALT }) }),
      said(all, { overview: overview([]) }),
      said(all, { overview: up, abilities: [able({})] }),
      said(all, { overview: up, abilities: [able(has([]))], choosable: [able(has([CHECKPOINT]))] }),
      said(all, { overview: up }),
      said({ ...all, record: { ...all.record, ooms: 0 } }, { overview: up }),
      said({ ...all, record: { ...all.record, ooms: 0 } }),
      said({ ...all, record: { ...all.record, ooms: 0 }, isHeldBack: false }),
      said({ ...all, record: { ...all.record, ooms: 0 }, isHeldBack: false, isOverStorage: false }),
      said({ ...all, record: { ...all.record, ooms: 0 }, ...unlimited }),
      said(aSnapshot()),
    ];
    expect(told.map((wait) => wait?.code)).toEqual(WAIT_CODES);
  });
});

it.each(['running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const)(
  'gives no reason for a job that is %s',
  (status) => {
    expect(said(aSnapshot({ status }, { isHeldBack: true }), { overview: overview([]) })).toBeNull();
  },
);
