import { newId } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import { startRedisServer, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { anOrder, nextClaim, openFleet, openLedger, quietLog } from './builders.js';

/** For writes that no replica will ever have. */
const WAIT = { replicas: 1, ms: 200 };
/** For writes that the replica will have, however busy the machine is. */
const PATIENT = { replicas: 1, ms: 60_000 };
const MAY_EXIST = {
  code: 'queue_unavailable',
  status: 503,
  detail: expect.stringContaining('may have been created nevertheless'),
};

/** A primary and its replica, a fleet that waits for the replica, and a ledger that waits for long. */
async function withReplica() {
  const begin = async (...args: string[]) => {
    const server = await startRedisServer({ args: [...args, '--repl-diskless-sync-delay', '0'] });
    onTestFinished(() => server.close());
    return server;
  };
  const primary = await begin();
  const replica = await begin('--replicaof', '127.0.0.1', `${primary.port}`);
  const fleet = await openFleet({ url: primary.url, wait: WAIT });
  const follows = () =>
    until('the replica follows', async () => (await fleet.redis.info('replication')).includes('state=online'));
  await follows();
  const patient = await openLedger({ ...fleet.settings, wait: PATIENT });
  const accepted = async () => {
    const { only } = await patient.orders.create(anOrder());
    return only?.record.id ?? '';
  };
  return { fleet, patient, accepted, replica, follows };
}

const anIdempotentOrder = () => {
  const id = newId();
  return anOrder({ id, idempotency: { digest: id, fingerprint: id } });
};

it('acknowledges a job that the replica has', async () => {
  const { fleet, accepted, replica } = await withReplica();
  const id = await accepted();
  const there = workerConnection({ ...fleet.settings, url: replica.url }, quietLog());
  onTestFinished(() => there.disconnect());
  expect(await there.hget(fleet.keys.job(id), 'status')).toBe('queued');
  expect(await there.zscore(fleet.keys.prioritized('default'), id)).not.toBeNull();
});

it('does not acknowledge a job that only the primary has, and acknowledges the same order once the replica has it', async () => {
  const { fleet, patient, replica, follows } = await withReplica();
  await replica.stop('SIGKILL');
  const order = anIdempotentOrder();
  await expect(fleet.ledger.orders.create(order)).rejects.toMatchObject(MAY_EXIST);
  // The order is not acknowledged when another process repeats it or looks up its Idempotency-Key, although that
  // process wrote nothing itself.
  const another = await openLedger(fleet.settings);
  const again = { ...anIdempotentOrder(), idempotency: order.idempotency };
  await expect(another.orders.create(again)).rejects.toMatchObject(MAY_EXIST);
  await expect(another.orders.replay('anonymous', order.idempotency as object as never)).rejects.toMatchObject(
    MAY_EXIST,
  );
  await replica.restart();
  await follows();
  const ids = order.jobs.map(({ id }) => id);
  expect(await patient.orders.create(again)).toMatchObject({ replayed: true, ids });
  expect(await patient.orders.replay('anonymous', order.idempotency as object as never)).toMatchObject({ ids });
});

it('answers everything else while the replica is missing', async () => {
  const { fleet, accepted, replica } = await withReplica();
  const id = await accepted();
  await replica.stop('SIGKILL');
  const refused = Promise.all(
    Array.from({ length: 20 }, () => fleet.ledger.orders.create(anOrder()).catch(() => 'refused')),
  );
  expect((await fleet.get(id)).record.status).toBe('queued');
  expect((await fleet.ledger.jobs.cancel(id))?.record.status).toBe('canceled');
  expect(new Set(await refused)).toEqual(new Set(['refused']));
});

it('lets a worker submit nothing that the replica does not have, and continues when it is back', async () => {
  const { fleet, accepted, replica, follows } = await withReplica();
  const id = await accepted();
  const source = await fleet.claims();
  const claim = await nextClaim(source);
  await replica.stop('SIGKILL');
  const promptId = newId();
  let isSubmitted = false;
  const submitting = claim.submit(promptId, 'w1/0').then((verdict) => {
    isSubmitted = true;
    return verdict;
  });
  await until('it is written down', async () => (await fleet.get(id)).record.promptId === promptId);
  // Longer than it waits for the replica; other calls are answered meanwhile.
  await until(
    'it was tried again',
    async () => (await fleet.redis.info('commandstats')).match(/cmdstat_wait:calls=(\d+)/)?.[1] !== '1',
  );
  expect(await claim.check()).toBe('ok');
  expect(isSubmitted).toBe(false);
  await replica.restart();
  await follows();
  expect(await submitting).toBe('ok');
  expect((await fleet.get(id)).record).toMatchObject({ promptId, submissions: 1 });
});

it('stops waiting for the replica when the job is canceled', async () => {
  const { fleet, accepted, replica } = await withReplica();
  const id = await accepted();
  const claim = await nextClaim(await fleet.claims());
  await replica.stop('SIGKILL');
  const submitting = claim.submit(newId(), 'w1/0');
  await fleet.ledger.jobs.cancel(id);
  expect(await submitting).toBe('canceling');
});
