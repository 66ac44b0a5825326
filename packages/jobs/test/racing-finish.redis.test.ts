import { newId, type TerminalStatus } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import { expect, it, onTestFinished } from 'vitest';
import { type NamedArguments, runScript, withScripts } from '../src/connection.js';
import { aClaim, aFrame, JOB_TTL_SECONDS, openFleet, quietLog } from './builders.js';

const FINISHERS = 100;
const CONNECTIONS = 10;

it('lets one of 100 racing finishers win: one terminal status, one terminal event, one webhook', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit({ callback: { url: 'https://example.com/hook' } })).record;
  const connections = Array.from({ length: CONNECTIONS }, () =>
    withScripts(workerConnection(fleet.settings, quietLog())),
  );
  onTestFinished(() => connections.forEach((connection) => void connection.disconnect()));
  const run = (n: number, name: 'claim' | 'submit' | 'finish', args: NamedArguments) => {
    const connection = connections[n % CONNECTIONS];
    if (connection === undefined) throw new Error('no connection');
    return runScript(connection, name, fleet.keys.job(id), fleet.keys.prefix, {
      id,
      ended_life: JOB_TTL_SECONDS * 1000,
      ...args,
    });
  };
  // Every finisher claimed the job before. All but the newest are superseded, and each try of the newest claim is
  // different.
  for (let n = 0; n < FINISHERS / 2; n++) {
    await fleet.redis.sadd(fleet.keys.held(`w${n}`), id);
    await run(n, 'claim', aClaim(`w${n}`, `${newId()}:1`));
  }
  await run(0, 'submit', { claim: `${FINISHERS / 2}`, prompt_id: 'the prompt', instance: 'w1/1' });
  const outcomes = ['succeeded', 'failed', 'canceled'];
  const error = JSON.stringify({ code: 'node_execution_error', detail: 'It failed.', nodeId: '3' });
  const finish = (n: number) => {
    const claim = n < FINISHERS / 2 ? n + 1 : FINISHERS / 2;
    const outputs = JSON.stringify([aFrame(id)]);
    return run(n, 'finish', {
      claim: `${claim}`,
      outcome: outcomes[n % 3],
      outputs,
      error,
      executed: 'the prompt',
    });
  };
  const order = Array.from({ length: FINISHERS }, (_, n) => n).sort(() => Math.random() - 0.5);
  const answers = (await Promise.all(order.map(finish))) as (TerminalStatus | 'superseded')[];

  const { record } = await fleet.get(id);
  const became = answers.filter((answer) => answer !== 'superseded');
  expect(new Set(became)).toEqual(new Set([record.status]));
  expect(became.length).toBe(FINISHERS / 2 + 1);
  expect(record.outputs).toHaveLength(record.status === 'canceled' ? 0 : 1);
  expect(record.error === null).toBe(record.status !== 'failed');
  const statuses = (await fleet.events(id)).map((event) => (event as { status: string }).status);
  expect(statuses).toEqual(['running', record.status]);
  const outbox = await fleet.redis.xrange(fleet.keys.outbox, '-', '+');
  const url = 'https://example.com/hook';
  expect(outbox.map(([, fields]) => fields)).toEqual([['job', id, 'key', 'anonymous', 'url', url]]);
});
