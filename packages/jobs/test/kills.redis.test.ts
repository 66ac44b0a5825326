import { expect, it } from 'vitest';
import { failed, openFleet, startNext } from './builders.js';

const graph = { workflow: 'graph' };

it('remembers for an hour which keys had own graphs executed by instances that died or fell silent, and jobs with files that ended for that', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const start = async (key: string, request = {}) => {
    await fleet.submit({ key, request });
    return startNext(source);
  };
  for (const why of ['died', 'silent', 'lost'] as const) {
    const { claim, promptId } = await start('mallory', graph);
    await claim.lose(promptId, why);
    await claim.finish(failed('prompt_lost'));
  }
  const last = await start('mallory', graph);
  await last.claim.finish(failed('instance_killed'), last.promptId);
  const other = await start('anna');
  await other.claim.lose(other.promptId, 'died');
  const inputs = { image: { name: `${'a'.repeat(64)}.webp`, kind: 'image' as const } };
  const loading = await start('anna', { workflow: 'thumb', inputs });
  await loading.claim.finish(failed('instance_killed'), loading.promptId);
  const lucky = await start('berta', { workflow: 'thumb', inputs });
  await lucky.claim.lose(lucky.promptId, 'died');
  const kills = await fleet.worker().kills();
  expect(kills).toEqual([
    { key: 'mallory', workflow: 'graph', times: Array.from({ length: 3 }, () => expect.any(Number)) },
    { key: 'anna', workflow: 'thumb', times: [expect.any(Number)] },
  ]);
  expect(await fleet.redis.pttl(fleet.keys.kills)).toBeGreaterThan(3_500_000);
});

it("counts once each of a key's own graphs that wedged an instance, canceled or not, and nothing of published workflows", async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  for (const request of [graph, graph, {}]) {
    const { id } = (await fleet.submit({ key: 'mallory', request })).record;
    const { claim, promptId } = await startNext(source);
    expect(await claim.wedge('of an earlier submission')).toBe('ok');
    expect(await claim.wedge(promptId)).toBe('ok');
    await fleet.ledger.jobs.cancel(id);
    expect(await claim.wedge(promptId)).toBe('canceling');
    await claim.finish({ status: 'canceled', inDoubt: true }, promptId);
    expect(await claim.wedge(promptId)).toBe('superseded');
  }
  const kills = await fleet.worker().kills();
  expect(kills).toEqual([{ key: 'mallory', workflow: 'graph', times: [expect.any(Number), expect.any(Number)] }]);
});
