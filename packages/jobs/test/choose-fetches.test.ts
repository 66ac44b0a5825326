import type { ModelCopy } from '@comfy-fleet/contracts';
import { fetchesInOrder, fewestFetches, popularModels } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { chooseFetches } from '../src/models/choose-fetches.js';
import { type FetchView, type HeldJob, NO_MEMORY, type WantedModels } from '../src/models/fetch-view.js';
import { aFolder, modelRecord, POOL, randomFrom, type Setting, simulateFetches } from './fetch-simulation.js';

const NOW = 10_000_000;
const SECOND = 1000;
/** A fetch takes a second, and five models fit into the folder. */
const BYTES = 4096;

const a = 'loras/a.safetensors';
const b = 'loras/b.safetensors';
const c = 'loras/c.safetensors';
const d = 'loras/d.safetensors';
const ALL = [a, b, c, d];

function aCopy(fields: Partial<ModelCopy> = {}): ModelCopy {
  return { state: 'ready', bytes: BYTES, fetched: BYTES, used_at: NOW, is_ours: true, ...fields };
}

/** A job of a key that waits for models. */
function waits(key: string, models: string | readonly string[], fields: Partial<WantedModels> = {}): WantedModels {
  return { pool: POOL, key, models: [models].flat(), waiting: 1, expectedMs: SECOND, since: NOW, ...fields };
}

const uses = (key: string, ...models: string[]): HeldJob => ({ key, models });

type Copies = Readonly<Record<string, Partial<ModelCopy>>>;
interface Case extends Partial<Omit<FetchView, 'copies' | 'others'>> {
  readonly copies?: Copies;
  readonly others?: readonly { readonly id: string; readonly pools?: readonly string[]; readonly copies: Copies }[];
}

function copiesOf(copies: Copies): Map<string, ModelCopy> {
  return new Map(Object.entries(copies).map(([id, fields]) => [id, aCopy(fields)]));
}

function choose({ copies = {}, others = [], ...fields }: Case) {
  return chooseFetches({
    folder: aFolder('here'),
    copies: copiesOf(copies),
    others: others.map(({ id, pools = [POOL], copies: its }) => ({
      folder: aFolder(id, { pools }),
      copies: copiesOf(its),
    })),
    records: new Map(ALL.map((id) => [id, modelRecord(id)])),
    wanted: [],
    kept: new Set(),
    held: [],
    room: 5 * BYTES,
    loadMs: () => 0,
    memory: NO_MEMORY,
    patienceMs: 30 * SECOND,
    now: NOW,
    ...fields,
  });
}

const NOTHING = { evict: [], fetch: [], noSpace: [], giveUp: [], drop: [] };
const fetched = (plan: ReturnType<typeof chooseFetches>) => plan.fetch.map(({ id }) => id);

describe('chooseFetches: what is fetched', () => {
  it('fetches nothing if no job waits', () => {
    expect(choose({})).toEqual({ ...NOTHING, memory: NO_MEMORY });
  });

  it('fetches a wanted model that no folder of the pool has', () => {
    const others = [{ id: 'elsewhere', pools: ['other'], copies: { [a]: {} } }];
    expect(choose({ wanted: [waits('k', a)], others }).fetch).toEqual([{ id: a, most: 0, rivals: [] }]);
  });

  it('leaves a model to a host that has or fetches it if its work is done there sooner than it is fetched here', () => {
    const others = [{ id: 'there', copies: { [a]: {}, [b]: { state: 'fetching' as const } } }];
    expect(choose({ wanted: [waits('k', [a, b], { expectedMs: 100 })], others }).fetch).toEqual([]);
  });

  it('also fetches a model that another host has if the work with it takes longer there than the fetch', () => {
    const others = [{ id: 'there', copies: { [a]: {} } }];
    expect(choose({ wanted: [waits('k', a, { waiting: 10 })], others }).fetch).toEqual([
      { id: a, most: 1, rivals: ['there'] },
    ]);
  });

  it('leaves such a model to the other host while this one has as much work of the key', () => {
    const others = [{ id: 'there', copies: { [a]: {} } }];
    const wanted = [waits('k', a, { waiting: 10 }), waits('k', b, { waiting: 10 })];
    expect(choose({ wanted, others, copies: { [b]: {} } }).fetch).toEqual([]);
    const ofOther = [waits('k', a, { waiting: 10 }), waits('other', b, { waiting: 10 })];
    expect(fetched(choose({ wanted: ofOther, others, copies: { [b]: {} } }))).toEqual([a]);
  });

  it('fetches first what no other host has', () => {
    const others = [{ id: 'there', copies: { [a]: {} } }];
    const wanted = [waits('k', a, { waiting: 10 }), waits('k', b)];
    expect(fetched(choose({ wanted, others }))).toEqual([b]);
  });

  it('fetches in the order of service, at most two at once and one for each key', () => {
    const wanted = [waits('k', [a, b]), waits('l', c), waits('m', d)];
    expect(fetched(choose({ wanted }))).toEqual([a, c]);
    const copies = { [a]: { state: 'fetching' as const } };
    expect(fetched(choose({ wanted, copies }))).toEqual([c]);
  });

  it('lets keys take turns, and counts a fetch for the keys for which it began, even if their jobs are gone', () => {
    const { memory } = choose({ wanted: [waits('k', a)] });
    const fetching = { memory, copies: { [a]: { state: 'fetching' as const } } };
    expect(fetched(choose({ ...fetching, wanted: [waits('k', b)] }))).toEqual([]);
    expect(fetched(choose({ ...fetching, wanted: [waits('k', b), waits('l', c)] }))).toEqual([c]);
    const wanted = [waits('k', b), waits('l', c), waits('m', d)];
    expect(fetched(choose({ memory, copies: { [a]: {} }, wanted }))).toEqual([c, d]);
  });

  it('fetches a model that several keys want in the turn of each of them, in the order of its own models', () => {
    expect(fetched(choose({ wanted: [waits('k', [a, b, c]), waits('l', c)] }))).toEqual([a, c]);
    const wanted = [waits('k', [a, d, c]), waits('l', b), waits('l', [d, c])];
    expect(fetched(choose({ wanted }))).toEqual([a, b]);
    const copies = { [a]: { state: 'fetching' as const } };
    expect(fetched(choose({ wanted: [waits('k', [a, c]), waits('l', c)], copies }))).toEqual([c]);
    expect(fetched(choose({ wanted: [waits('k', [a, c]), waits('l', [a, c])], copies }))).toEqual([]);
  });

  it('fetches pinned models first, then those that operators asked for', () => {
    const records = new Map([
      [a, modelRecord(a)],
      [b, modelRecord(b, { fetch_asked_at: NOW - SECOND })],
      [c, modelRecord(c, { pinned_in: [POOL] })],
      [d, modelRecord(d, { fetch_asked_at: NOW, fetch_pools: ['other'], pinned_in: ['other'] })],
    ]);
    const wanted = [waits('k', a)];
    expect(fetched(choose({ records, wanted }))).toEqual([c, b]);
    expect(fetched(choose({ records, wanted, copies: { [c]: {} } }))).toEqual([b, a]);
    expect(fetched(choose({ records, wanted, copies: { [c]: {}, [b]: {} } }))).toEqual([a]);
    expect(fetched(choose({ records, kept: new Set([d]), copies: { [c]: {}, [b]: {} } }))).toEqual([d]);
  });

  it('gives up a fetch that takes ten times as long as usual, and two minutes, if others wait for its place', () => {
    const started = (seconds: number) => ({ state: 'fetching' as const, started_at: NOW - seconds * SECOND });
    const copies = (seconds: number) => ({ [a]: started(seconds), [b]: started(119) });
    const wanted = [waits('k', a), waits('l', b), waits('m', c)];
    expect(choose({ wanted, copies: copies(121) })).toMatchObject({ giveUp: [a] });
    expect(choose({ wanted, copies: copies(119) })).toMatchObject({ giveUp: [] });
    const isFree = { wanted: [waits('k', a), waits('m', c)], copies: { [a]: started(121) } };
    expect(choose(isFree)).toMatchObject({ giveUp: [], fetch: [{ id: c }] });
    expect(choose({ ...isFree, wanted })).toMatchObject({ giveUp: [a] });
    const folder = aFolder('here', { bytes_per_second: BYTES / 20 });
    expect(choose({ folder, wanted, copies: copies(199) })).toMatchObject({ giveUp: [] });
    expect(choose({ folder, wanted, copies: copies(201) })).toMatchObject({ giveUp: [a] });
  });

  it('tries a model whose fetch failed again when its time has come, and until then nothing else for its jobs', () => {
    const failed = (retry_at: number) => ({
      [a]: { state: 'failed' as const, error: { code: 'not_reachable' as const, detail: '', at: NOW, retry_at } },
    });
    const wanted = [waits('k', [a, b])];
    expect(choose({ wanted, copies: failed(NOW + SECOND) }).fetch).toEqual([]);
    expect(fetched(choose({ wanted, copies: failed(NOW) }))).toEqual([a]);
    expect(choose({ wanted, copies: failed(NOW + SECOND) }).drop).toEqual([]);
    expect(choose({ copies: failed(NOW + SECOND) }).drop).toEqual([a]);
  });
});

describe('chooseFetches: what is evicted', () => {
  it('evicts the least recently used model of ours that no job wants', () => {
    const copies = { [a]: { used_at: 3 }, [b]: { used_at: 1, is_ours: false }, [c]: { used_at: 2 } };
    expect(choose({ copies, wanted: [waits('k', d)], room: 0 })).toMatchObject({ evict: [c], fetch: [], noSpace: [] });
    const fetchedSince = { ...copies, [c]: { used_at: 0, fetched_at: 4 } };
    expect(choose({ copies: fetchedSince, wanted: [waits('k', d)], room: 0 }).evict).toEqual([a]);
  });

  it('makes space for the next model of a key while one is fetched', () => {
    const copies = { [a]: { state: 'fetching' as const }, [b]: {}, [c]: { used_at: NOW + 1 } };
    const wanted = [waits('k', a), waits('k', d)];
    expect(choose({ copies, wanted, room: 0 })).toMatchObject({ evict: [b], fetch: [] });
    expect(choose({ copies, wanted, room: BYTES })).toMatchObject({ evict: [], fetch: [] });
  });

  it('evicts nothing that is pinned, in use or wanted by a waiting job, and says that there is no space', () => {
    const records = new Map(ALL.map((id) => [id, modelRecord(id, id === a ? { pinned_in: [POOL] } : {})]));
    const wanted = [waits('k', c), waits('k', d)];
    const plan = choose({ records, copies: { [a]: {}, [b]: {}, [c]: {} }, held: [uses('l', b)], wanted, room: 0 });
    expect(plan).toEqual({ ...NOTHING, noSpace: [d], memory: NO_MEMORY });
  });

  it('waits for models that are being evicted, and leaves their space to the model for which it evicts them', () => {
    const copies = { [a]: { state: 'evicting' as const }, [b]: {} };
    const wanted = [waits('k', c), waits('l', d)];
    expect(choose({ copies, wanted, room: 0 })).toMatchObject({ evict: [b], fetch: [], noSpace: [] });
    expect(choose({ copies: { [b]: {} }, wanted, room: BYTES })).toMatchObject({ evict: [b], fetch: [{ id: c }] });
  });

  it('keeps a model of ours that is not registered, until its space is needed', () => {
    const copies = { [a]: { used_at: 1 }, [b]: {} };
    const records = new Map([b, d].map((id) => [id, modelRecord(id)]));
    expect(choose({ copies, records })).toMatchObject({ evict: [], drop: [] });
    expect(choose({ copies, records, wanted: [waits('k', d)], room: 0 }).evict).toEqual([a]);
  });

  it('lets a key protect by waiting jobs only its share of the folder', () => {
    const folder = aFolder('here', { max_bytes: 3 * BYTES });
    const copies = { [a]: {}, [b]: {}, [c]: {} };
    const wanted = [waits('k', a), waits('k', b), waits('k', c), waits('l', d)];
    expect(choose({ folder, copies, wanted, room: 0 })).toMatchObject({
      evict: [c],
      noSpace: [],
      memory: NO_MEMORY,
    });
  });

  it('lets a key protect by jobs in work no more than its share either', () => {
    const folder = aFolder('here', { max_bytes: 4 * BYTES });
    const copies = { [a]: {}, [b]: {}, [c]: {} };
    const wanted = [waits('l', d)];
    expect(choose({ folder, copies, wanted, held: [uses('k', a, b, c)], room: 0 }).evict).toEqual([c]);
    const both = { folder, copies, wanted, held: [uses('l', c), uses('k', a, b, c)], room: 0 };
    expect(choose(both).evict).toEqual([b]);
    const ofBoth = [waits('k', d), waits('l', d, { since: NOW - 30 * SECOND })];
    expect(choose({ folder, copies, wanted: ofBoth, held: [uses('k', a, b, c)], room: 0 }).evict).toEqual([c]);
    expect(choose({ folder, copies: { [a]: {} }, wanted: ofBoth, held: [uses('k', a)], room: 0 }).evict).toEqual([a]);
    const ofOne = [waits('k', d)];
    expect(choose({ folder, copies, wanted: ofOne, held: [uses('k', a, b, c)], room: 0 }).evict).toEqual([]);
  });

  it('leaves the room that was made for a key to it, although another one that has its share comes first', () => {
    const folder = aFolder('here', { max_bytes: 4 * BYTES });
    const wanted = [waits('k', [a, b, c]), waits('l', d)];
    expect(fetched(choose({ folder, copies: { [a]: {}, [b]: {} }, wanted, room: BYTES }))).toEqual([d]);
  });

  it('keeps no place for a model whose space is in use by a job', () => {
    const urls = [a, b].map((id) => [id, modelRecord(id, { by_url: true, keys: [id], bytes: 2 * BYTES })] as const);
    const wanted = [waits(a, a), waits(b, b)];
    const waiting = { wanted, copies: { [c]: { state: 'evicting' as const }, [d]: {} }, room: BYTES };
    const records = new Map([...urls, [b, modelRecord(b, { by_url: true, keys: [b] })]]);
    expect(fetched(choose({ ...waiting, records, held: [uses('k', c)] }))).toEqual([b]);
    expect(fetched(choose({ ...waiting, records }))).toEqual([]);
  });

  it('protects one model of each key, even if these are more than fit', () => {
    const folder = aFolder('here', { max_bytes: 2 * BYTES });
    const wanted = [waits('l', d), waits('k', a), waits('m', b)];
    expect(choose({ folder, copies: { [a]: {}, [b]: {} }, wanted, room: 0 })).toMatchObject({
      evict: [],
      noSpace: [d],
    });
  });

  it('evicts a wanted model, the last to be used, for one that has been wanted for longer than the patience', () => {
    const folder = aFolder('here', { max_bytes: 2 * BYTES });
    const wanted = [waits('l', a), waits('m', b), waits('k', d, { since: NOW - 30 * SECOND })];
    const waiting = { folder, copies: { [a]: {}, [b]: {} }, wanted, room: 0 };
    expect(choose(waiting)).toMatchObject({ evict: [b], memory: { forcedAt: NOW } });
    expect(choose({ ...waiting, memory: { ...NO_MEMORY, forcedAt: NOW - 29 * SECOND } })).toMatchObject({ evict: [] });
    expect(choose({ ...waiting, held: [uses('l', a), uses('k', b)] })).toMatchObject({ evict: [a] });
  });

  it('waits ten times as long as the fetch takes before it does that', () => {
    const folder = aFolder('here', { max_bytes: 2 * BYTES, bytes_per_second: BYTES / 10 });
    const wanted = [waits('l', a), waits('m', b), waits('k', d, { since: NOW - 99 * SECOND })];
    expect(choose({ folder, copies: { [a]: {}, [b]: {} }, wanted, room: 0 })).toMatchObject({
      memory: { forcedAt: 0 },
    });
  });

  it('does not evict a model that older jobs of the same key want', () => {
    const since = NOW - 60 * SECOND;
    const copies = { [a]: {}, [b]: {} };
    const older = [waits('k', a, { since }), waits('k', b, { since: since + 15 * SECOND }), waits('k', d, { since })];
    expect(choose({ copies, wanted: older, room: 0 })).toMatchObject({ evict: [], noSpace: [d] });
    const younger = [waits('k', a), waits('k', b), waits('k', d, { since })];
    expect(choose({ copies, wanted: younger, room: 0 })).toMatchObject({ evict: [b], memory: { forcedAt: NOW } });
  });
});

describe('chooseFetches: models from URLs of callers', () => {
  const urlOf = (id: string, key: string) => [id, modelRecord(id, { by_url: true, keys: [key] })] as const;
  const fetching = { state: 'fetching' as const };

  it('gives up the fetch of one that nothing wants any more, and of a model that is not registered any more', () => {
    const records = new Map([urlOf(a, 'k'), urlOf(b, 'k'), [c, modelRecord(c)]]);
    const copies = { [a]: fetching, [b]: fetching, [c]: fetching };
    expect(choose({ records, copies, wanted: [waits('k', a)] }).drop).toEqual([b]);
    expect(choose({ copies: { [a]: fetching }, wanted: [waits('k', a)], records: new Map() }).drop).toEqual([a]);
  });

  it('fetches one of them at a time, and one of a key even if no job of the key waits for the first', () => {
    const records = new Map([urlOf(a, 'k'), urlOf(b, 'l'), [c, modelRecord(c)], [d, modelRecord(d)]]);
    const wanted = [waits('l', b), waits('k', c), waits('m', d)];
    expect(fetched(choose({ records, copies: { [a]: fetching }, wanted }))).toEqual([d]);
  });

  it('fetches a pinned model while one is fetched that no job wants', () => {
    const records = new Map([
      [a, modelRecord(a)],
      [b, modelRecord(b, { pinned_in: [POOL] })],
    ]);
    expect(fetched(choose({ records, copies: { [a]: fetching } }))).toEqual([b]);
  });

  it('lets keys take turns, and gives up a fetch that has had its turn while another URL waits', () => {
    const records = new Map([urlOf(a, 'k'), urlOf(b, 'l'), urlOf(c, 'k')]);
    const wanted = [waits('k', a), waits('l', b)];
    const { memory, ...first } = choose({ records, wanted });
    expect(first.fetch.map(({ id }) => id)).toEqual([a]);
    const begun = (seconds: number, arrived = 200 * 1024 ** 2) => ({
      [a]: { ...fetching, started_at: NOW - seconds * SECOND, fetched: 300 * 1024 ** 2, arrived },
    });
    expect(choose({ records, wanted, copies: begun(119) })).toMatchObject(NOTHING);
    expect(choose({ records, wanted, copies: begun(121) })).toMatchObject({ giveUp: [a] });
    expect(choose({ records, wanted: [waits('k', [a, c])], copies: begun(121) })).toMatchObject({ giveUp: [a] });
    expect(choose({ records, wanted: [waits('k', a)], copies: begun(121) })).toMatchObject({ giveUp: [] });
    // A slow source has a shorter turn, however much has come in earlier turns.
    expect(choose({ records, wanted, copies: begun(9, 1000) })).toMatchObject({ giveUp: [] });
    expect(choose({ records, wanted, copies: begun(11, 1000) })).toMatchObject({ giveUp: [a] });
    expect(fetched(choose({ records, wanted, memory }))).toEqual([b]);
    expect(fetched(choose({ records, wanted: [waits('k', c), waits('l', b)], memory }))).toEqual([b]);
  });

  it('evicts models of others only once for what the URLs of a key announce, until it has been fetched', () => {
    const records = new Map([urlOf(a, 'k'), [b, modelRecord(b)], urlOf(c, 'k')]);
    const first = choose({ records, wanted: [waits('k', a)], copies: { [b]: {} }, room: 0 });
    expect(first.evict).toEqual([b]);
    const { memory } = choose({ records, memory: first.memory, copies: { [b]: {} }, now: NOW + 119 * SECOND });
    const again = { records, memory, copies: { [b]: {} }, room: 0 };
    expect(choose({ ...again, wanted: [waits('k', c)] })).toMatchObject({ evict: [], noSpace: [c] });
    expect(choose({ ...again, wanted: [waits('k', a)], now: NOW + 121 * SECOND })).toMatchObject({ evict: [] });
    expect(choose({ ...again, wanted: [waits('k', a)], now: NOW + 119 * SECOND })).toMatchObject({ evict: [b] });
    const fetched = { copies: { [a]: {}, [b]: {} }, held: [uses('k', a)] };
    expect(choose({ ...again, ...fetched, wanted: [waits('k', c)] })).toMatchObject({ evict: [b] });
    expect(choose({ ...again, wanted: [waits('k', c)], now: NOW + 3600 * SECOND })).toMatchObject({ evict: [b] });
  });

  it('evicts nothing of others for a key whose models from URLs would take more than its share', () => {
    const records = new Map([urlOf(a, 'k'), [b, modelRecord(b)], urlOf(d, 'k')]);
    const folder = aFolder('here', { max_bytes: 4 * BYTES });
    const wanted = [waits('k', d), waits('l', c)];
    const copies = { [a]: fetching, [b]: {}, [d]: { state: 'failed' as const, bytes: 2 * BYTES } };
    const large = new Map([...records, [d, { ...modelRecord(d, { by_url: true, keys: ['k'] }), bytes: 2 * BYTES }]]);
    expect(
      choose({ records: large, folder, copies: { ...copies, [a]: {} }, held: [uses('k', a)], wanted, room: 0 }),
    ).toMatchObject({
      evict: [],
      noSpace: [d],
    });
    expect(choose({ records, folder, copies: { [a]: {}, [b]: { used_at: 1 } }, wanted, room: 0 })).toMatchObject({
      evict: [a],
      noSpace: [],
    });
  });
});

describe('chooseFetches over time', () => {
  /** As in the trial: 100 jobs over 20 LoRAs, of which 5 fit into each of two hosts. */
  const loras = (count: number) => Array.from({ length: count }, (_, n) => `loras/lora-${n + 1}.safetensors`);
  const trial = (seed: number): Setting => ({
    jobs: popularModels(100, loras(20), randomFrom(seed)).map((model, n) => ({ key: 'k', model, arrivesAt: 50 * n })),
    hosts: 2,
    room: 5,
    fetchMs: 30_000,
    jobMs: 10_000,
    patienceMs: 30_000,
  });

  it('fetches at most 1.2 times as often as the optimum, and GPUs wait at most a tenth as long as in order', () => {
    const seeds = Array.from({ length: 5 }, (_, n) => n + 1);
    const runs = seeds.map((seed) => {
      const setting = trial(seed);
      const models = setting.jobs.map(({ model }) => model);
      const [service, fifo] = [simulateFetches(setting), fetchesInOrder(models, setting)];
      return { fetches: service.fetches / fewestFetches(models, setting), idle: service.idleMs / fifo.idleMs };
    });
    expect(Math.max(...runs.map(({ fetches }) => fetches))).toBeLessThanOrEqual(1.2);
    expect(Math.max(...runs.map(({ idle }) => idle))).toBeLessThanOrEqual(0.1);
  });

  it('serves a single job although other keys keep all of the space in use', () => {
    const streams = ['k', 'l'].flatMap((key, n) =>
      Array.from({ length: 200 }, (_, i) => ({ key, model: ALL[n] ?? a, arrivesAt: i * 20_000 })),
    );
    const lone = { key: 'lone', model: d, arrivesAt: 100_000 };
    const setting = { hosts: 1, room: 2, fetchMs: 5000, jobMs: 10_000, patienceMs: 30_000 };
    const { longestWaitMs } = simulateFetches({ ...setting, jobs: [...streams, lone] });
    expect(longestWaitMs).toBeLessThan(120_000);
  });

  it('serves every job, keeps within the space and evicts nothing in use, whatever is asked for', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = randomFrom(seed);
      const int = (most: number) => 1 + Math.floor(random() * most);
      const [keys, models] = [int(5), int(12)];
      const jobs = popularModels(40, loras(models), random).map((model) => ({
        key: `key-${int(keys)}`,
        model,
        arrivesAt: int(200_000),
      }));
      const setting = {
        hosts: int(3),
        room: int(4),
        fetchMs: 1000 * int(20),
        jobMs: 1000 * int(10),
        patienceMs: 30_000,
      };
      // Throws if a promise is broken.
      expect(simulateFetches({ ...setting, jobs }).fetches).toBeGreaterThan(0);
    }
  });
});
