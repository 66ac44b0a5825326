import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followJournal, readJournal } from '../src/journal.js';
import { ask } from './client.js';
import { plainImage, textToImage } from './graphs.js';
import { Running } from './running.js';

let running: Running;
beforeEach(async () => {
  running = await Running.start({ stepMs: 1 });
  running.simulator.set({ journal: join(running.simulator.dir, 'deep', 'journal.jsonl') });
});
afterEach(() => running.close());

describe('the journal', () => {
  it('has a start and an end for each execution, with steps and cached nodes', async () => {
    const id = await running.submit(textToImage({ steps: 3 }));
    await running.listener.untilEndOf(id);
    const again = await running.submit(textToImage({ steps: 3 }));
    await running.listener.untilEndOf(again);
    const lines = running.simulator.journal();
    expect(lines.map(({ event, sequence, run, prompt_id }) => [event, sequence, run, prompt_id])).toEqual([
      ['start', 1, 1, id],
      ['end', 2, 1, id],
      ['start', 3, 2, again],
      ['end', 4, 2, again],
    ]);
    expect(lines[1]).toMatchObject({
      outcome: 'success',
      steps: 3,
      cached: [],
      client_id: 'me',
      number: 0,
      pid: process.pid,
    });
    expect(lines[1]).toMatchObject({ port: running.simulator.port, started_at: lines[0]?.started_at });
    expect(lines[3]).toMatchObject({ outcome: 'success', steps: 0, cached: ['1', '2', '3', '4', '5', '6', '7'] });
  });

  it.each([
    ['error', { kind: 'node_error' }],
    ['lost', { kind: 'lost_prompt' }],
  ] as const)('tells an end by %s', async (outcome, fault) => {
    running.simulator.faults.add({ ...fault, times: 1 });
    await running.submit(textToImage({ steps: 2 }));
    await running.run(plainImage(1));
    expect(running.simulator.journal()[1]).toMatchObject({ event: 'end', outcome });
  });

  it('records an interrupted execution', async () => {
    running.simulator.faults.add({ kind: 'hang' });
    const id = await running.submit(textToImage());
    await running.listener.until(() => running.listener.texts('executing').length > 4);
    await ask(running.simulator.url, 'POST', '/interrupt');
    await running.listener.untilEndOf(id);
    expect(running.simulator.journal()[1]).toMatchObject({ event: 'end', outcome: 'interrupted' });
  });

  it('has a start without an end when the simulator crashes in between', async () => {
    running.simulator.faults.add({ kind: 'hang' });
    await running.submit(textToImage());
    await running.listener.until(() => running.listener.texts('executing').length > 4);
    running.simulator.drop();
    expect(running.simulator.journal().map(({ event }) => event)).toEqual(['start']);
  });

  it('is read without an incomplete last line', async () => {
    await running.run(plainImage(1));
    const path = running.simulator.settings.journal ?? '';
    appendFileSync(path, '{"event":"start","sequ');
    expect(readJournal(path)).toHaveLength(2);
    expect(readJournal(`${path}.none`)).toEqual([]);
  });

  it('can be followed: each line is read once, when it is complete', async () => {
    const path = running.simulator.settings.journal ?? '';
    const journal = followJournal(path);
    expect(journal()).toEqual([]);
    await running.run(plainImage(1));
    expect(journal()).toEqual(readJournal(path));
    const [start] = readJournal(path);
    const more = `${JSON.stringify({ ...start, client_id: 'é' })}\n`;
    appendFileSync(path, more.slice(0, 20));
    expect(journal()).toHaveLength(2);
    appendFileSync(path, more.slice(20));
    expect(journal()).toHaveLength(3);
    expect(journal()).toEqual(readJournal(path));
  });
});
