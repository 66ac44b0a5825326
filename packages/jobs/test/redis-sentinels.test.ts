import { Writable } from 'node:stream';
import { createLogger } from '@comfy-fleet/telemetry';
import { redisSettings, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { workerConnection } from '../src/connection.js';
import { openFleet, startNext, succeeded, untilAnswering } from './builders.js';
import { expectNothingLost, kill, type Place, PREFIX, WAIT } from './changing-primary.js';
import { sentinels } from './redis-places.js';

vi.setConfig({ testTimeout: 120_000 });

async function bySentinels(replicas: number): Promise<Place> {
  const { set, ...place } = await sentinels({ replicas });
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: WAIT });
  return { fleet, primary: set.primary, failOver: set.failOver };
}

it('loses nothing that was acknowledged when the primary of Sentinels is killed in the middle of a run', async () => {
  await expectNothingLost(await bySentinels(2), kill);
});

it('loses nothing that was acknowledged when the primary of Sentinels hands over to a replica in the middle of a run', async () => {
  // With another replica that does not know yet, what the old primary still takes would be acknowledged.
  await expectNothingLost(await bySentinels(1), ({ failOver }) => failOver());
});

it('leaves a primary of Sentinels that hangs for its successor, where callers are answered and where work is done', async () => {
  const place = await bySentinels(1);
  const { fleet, primary } = place;
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  const old = await primary();
  process.kill(old.pid, 'SIGSTOP');
  const finishing = claim.finish(succeeded(id), promptId);
  await until('another is the primary', async () => (await primary()) !== old, { withinMs: 60_000 });
  // It has no replica: nothing is acknowledged, but everything is answered.
  await untilAnswering(fleet.ledger);
  expect((await fleet.get(id)).record.status).not.toBe('queued');
  expect(await finishing).toBe('succeeded');
  expect((await fleet.get(id)).record.status).toBe('succeeded');
});

it('says at debug level only that one of the Sentinels is away, and lets ioredis print nothing', async () => {
  const { set, ...place } = await sentinels({ replicas: 1 });
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const printed = vi.spyOn(console, 'error');
  await set.sentinels[2]?.close();
  const log = createLogger({ service: 'test', level: 'debug', format: 'json', stream });
  const redis = workerConnection(redisSettings({ ...place, prefix: PREFIX }), log);
  onTestFinished(() => redis.disconnect());
  await redis.ping();
  await until('it is heard', () => lines.some((line) => line.includes('a Sentinel is away')));
  expect(lines.filter((line) => !line.includes('"level":"debug"'))).toEqual([]);
  expect(printed).not.toHaveBeenCalled();
});
