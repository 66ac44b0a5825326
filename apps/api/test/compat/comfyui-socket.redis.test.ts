import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { newId } from '@comfy-fleet/contracts';
import type { Claim, OutputRecord } from '@comfy-fleet/jobs';
import { askRedis, pictureRequest, startRedisServer, until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, inject, it, onTestFinished, vi } from 'vitest';
import { aKey, startApi, type TestApi } from '../api.js';
import { finishedImage } from '../finished-image.js';
import { type Heard, type Listening, listenAt } from './comfyui-listening.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')] });
});
afterEach(() => api.close());

/** Creates a prompt for that client of a key; returns the ids of the job and of the prompt. */
async function prompt(client: string, key = 'anna', alias: string | null = newId(), { ledger } = api) {
  const job = {
    id: newId(),
    kind: 'text2img',
    request: pictureRequest(),
    pool: 'default',
    startWithinMs: 60_000,
  } as const;
  await ledger.orders.create({ jobs: [{ ...job, client, alias: alias ?? undefined, origin: '{}' }], caller: key });
  return { id: job.id, promptId: alias ?? job.id };
}
async function running(): Promise<Claim> {
  const claim = await api.claim();
  const promptId = newId();
  await claim.submit(promptId, 'gpu-1/1');
  await claim.start(promptId);
  return claim;
}
const at = (nodeId: string, step: number | null = null) => {
  return { fraction: 0.5, step, steps: step === null ? null : 4, node: 'a node', nodeId };
};
const picture = (id: string, nodeId: string, more: Partial<OutputRecord> = {}): OutputRecord => {
  return { ...finishedImage(id, 1), nodeId, ...more };
};
const remaining = (count: number) => ({ status: { exec_info: { queue_remaining: count } } });
const node = (id: string, promptId: string) => ({ node: id, display_node: id, prompt_id: promptId });

it('sends the queue length and the client id first, and then every change of the queue length', async () => {
  await prompt('somebody');
  const named = await listenAt(api, { key: 'anna', clientId: 'a tab' });
  expect(named.heard[0]).toEqual({ type: 'status', data: { ...remaining(1), sid: 'a tab' } });
  const other = await listenAt(api, { key: 'bert' });
  expect(other.heard[0]).toMatchObject({ data: { ...remaining(0), sid: expect.stringMatching(/^[0-9a-f]{32}$/) } });
  const { id } = await prompt('somebody');
  await named.until('status', remaining(2));
  await api.ledger.jobs.cancel(id);
  await named.until('status', remaining(1));
  expect(other.heard).toHaveLength(1);
});

it('sends messages to the newest four sockets with a client id, and to one with another id', async () => {
  const tabs: Listening[] = [];
  for (const clientId of ['other', ...Array(5).fill('a tab')])
    tabs.push(await listenAt(api, { key: 'anna', clientId }));
  await prompt('a tab');
  const [other, first, ...newest] = tabs;
  for (const tab of [other, ...newest]) await tab?.until('status', remaining(1));
  expect(first?.heard).toHaveLength(1);
});

it('counts the queue again for each new socket, so that the count includes a prompt sent just before', async () => {
  const idle = await listenAt(api, { key: 'anna', clientId: 'idle' });
  for (let count = 1; count <= 5; count++) {
    await prompt('tab');
    const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
    expect(tab.heard[0]).toMatchObject({ data: remaining(count) });
  }
  await idle.until('status', remaining(5));
});

it('repeats the queue length to a waiting client, because some clients consider a silent socket dead', async () => {
  const beating = await startApi(inject('redisUrl'), { keys: [aKey('anna')], heartbeatMs: 30 });
  onTestFinished(() => beating.close());
  const idle = await listenAt(beating, { key: 'anna', clientId: 'idle' });
  await prompt('tab', 'anna', newId(), beating);
  const tab = await listenAt(beating, { key: 'anna', clientId: 'tab' });
  const repeats = () => tab.heard.filter((one) => 'type' in one && one.type === 'status').length;
  await until('the queue length was repeated', () => repeats() > 5);
  await idle.until('status', remaining(1));
  expect(idle.heard).toHaveLength(2);
});

it('reports a prompt from its beginning to its end, as ComfyUI does', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  await claim.progress(at('4'));
  await tab.until('executing', node('4', promptId));
  await claim.progress(at('5', 1));
  await tab.until('progress');
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==', nodeId: '5' });
  await until('the preview is received', () => tab.heard.some((one) => 'binary' in one));
  await claim.progress(at('7'));
  await tab.until('executing', node('7', promptId));
  // This preview must be dropped, because its node has finished.
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4AA=', nodeId: '5' });
  await claim.finish({ status: 'succeeded', outputs: [picture(id, '7')] });
  const heard = await tab.until('executing', { node: null, prompt_id: promptId });
  expect(tab.story()).toEqual([
    'execution_start',
    'execution_cached',
    ...['executing', 'executing', 'progress', 1, 'progress'],
    ...['executing', 'executed', 'execution_success', 'executing'],
  ]);
  expect(heard).toContainEqual({ type: 'progress', data: { value: 4, max: 4, prompt_id: promptId, node: '5' } });
  expect(heard).toContainEqual({ type: 'progress', data: { value: 1, max: 4, prompt_id: promptId, node: '5' } });
  const output = { images: [{ filename: `${id}_1.png`, subfolder: '', type: 'output' }] };
  expect(heard).toContainEqual({ type: 'executed', data: { ...node('7', promptId), output } });
  const frame = heard.find((one) => 'binary' in one);
  expect(frame).toMatchObject({ binary: 1, rest: Buffer.from('00000001ffd8ffe0', 'hex') });
});

it('reports the progress of a node before its first preview, even if the preview arrives first', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { promptId } = await prompt('tab');
  const claim = await running();
  await claim.progress(at('4'));
  await tab.until('executing', node('4', promptId));
  await claim.preview({ contentType: 'image/jpeg', data: '/9j/4A==', nodeId: '5', step: 2, steps: 4 });
  await until('the preview is received', () => tab.heard.some((one) => 'binary' in one));
  await claim.progress(at('5', 2));
  await claim.progress(at('5', 3));
  await tab.until('progress', { value: 3 });
  expect(tab.story().slice(3)).toEqual(['executing', 'progress', 1, 'progress']);
  expect(tab.heard).toContainEqual({ type: 'progress', data: { value: 2, max: 4, prompt_id: promptId, node: '5' } });
});

it('reports every node that ran, even nodes that ran between two progress reports', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await api.claim();
  const submission = newId();
  await claim.submit(submission, 'gpu-1/1');
  await claim.start(submission, ['1', '2']);
  await claim.progress({
    ran: [
      ['3', null],
      ['4', 8],
    ],
    ...at('5', 1),
  });
  await tab.until('progress', { node: '5' });
  const timing = (nodeId: string, steps: number | null = null, cached = false) => {
    return { nodeId, title: nodeId, className: 'Any', ms: cached ? null : 1, steps, cached };
  };
  const nodes = [timing('1', null, true), timing('3'), timing('4', 8), timing('5', 4), timing('6'), timing('7', 1)];
  const outputs = [picture(id, '6'), picture(id, '1')];
  await claim.finish({ status: 'succeeded', outputs }, submission, { nodes, modelLoadMs: null });
  const heard = await tab.until('executing', { node: null, prompt_id: promptId });
  const shown = heard.flatMap((one): unknown[] => {
    if ('binary' in one) return [[one.binary]];
    const { node, nodes, value, max } = one.data;
    if (one.type === 'execution_cached') return [[one.type, nodes]];
    return ['executing', 'executed', 'progress'].includes(one.type)
      ? [[one.type, node, ...(max ? [value, max] : [])]]
      : [];
  });
  expect(shown).toEqual([
    ['execution_cached', ['1', '2']],
    ['executing', '3'],
    ['executing', '4'],
    ['progress', '4', 8, 8],
    ['executing', '5'],
    ['progress', '5', 1, 4],
    ['executed', '1'],
    ['progress', '5', 4, 4],
    ['executing', '6'],
    ['executed', '6'],
    ['executing', '7'],
    ['progress', '7', 1, 1],
    ['executing', null],
  ]);
});

it.each([
  [
    'canceled while it waits',
    'execution_interrupted',
    async ({ id }: { id: string }) => void (await api.ledger.jobs.cancel(id)),
  ],
  [
    'failed',
    'execution_error',
    async () => {
      const error = { code: 'node_execution_error', detail: 'It failed.', nodeId: '5' } as const;
      await (await running()).finish({ status: 'failed', error });
    },
  ],
  [
    'canceled while it runs',
    'execution_interrupted',
    async ({ id }: { id: string }) => {
      const claim = await running();
      await api.ledger.jobs.cancel(id);
      await claim.finish({ status: 'canceled' });
    },
  ],
  [
    'finished in one step',
    'execution_success',
    async () => void (await (await api.claim()).finish({ status: 'succeeded', outputs: [] })),
  ],
] satisfies [string, string, (made: { id: string }) => Promise<void>][])(
  'ends with executing null when the prompt is %s',
  async (_how, type, end) => {
    const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
    const made = await prompt('tab', 'anna', null);
    await end(made);
    await tab.until('executing', { node: null, prompt_id: made.id });
    expect(tab.story().slice(-2)).toEqual([type, 'executing']);
  },
);

it('reports outputs that were made before another node failed, with the ids of expanded nodes as in ComfyUI', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  const expandedFrom = { display: '2', parent: '2', real: '2' };
  await claim.progress({ ...at('2.0.0.1'), expandedFrom });
  await tab.until('executing', { node: '2.0.0.1', display_node: '2', prompt_id: promptId });
  const error = { code: 'node_execution_error', detail: 'It failed.', nodeId: '5' } as const;
  await claim.finish({ status: 'failed', error, outputs: [picture(id, '2.0.0.3', { expandedFrom })] });
  await tab.until('executing', { node: null });
  await tab.until('executed', { node: '2.0.0.3', display_node: '2' });
  expect(tab.story().slice(-3)).toEqual(['executed', 'execution_error', 'executing']);
});

it('reports a lost prompt from its beginning again', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await api.claim();
  const first = newId();
  await claim.submit(first, 'gpu-1/1');
  await claim.start(first);
  await claim.progress(at('4'));
  await tab.until('executing');
  await claim.lose(first, 'died');
  const second = newId();
  await claim.submit(second, 'gpu-1/2');
  await claim.start(second);
  await claim.progress(at('4'));
  await claim.finish({ status: 'succeeded', outputs: [picture(id, '7')] });
  await tab.until('executing', { node: null, prompt_id: promptId });
  expect(tab.story().filter((type) => type === 'execution_start')).toHaveLength(2);
  expect(tab.story().filter((type) => type === 'execution_success')).toHaveLength(1);
});

it('holds back successes of other prompts while a lost prompt is to begin again', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const [lost, second, third] = [await prompt('tab'), await prompt('tab'), await prompt('tab')];
  const claim = await api.claim();
  const submission = newId();
  await claim.submit(submission, 'gpu-1/1');
  await claim.start(submission);
  await tab.until('execution_start', { prompt_id: lost.promptId });
  await (await running()).finish({ status: 'succeeded', outputs: [picture(second.id, '7')] });
  await tab.until('executing', { node: null, prompt_id: second.promptId });
  await claim.lose(submission, 'died');
  await claim.release(60_000);
  const last = await running();
  await tab.until('execution_start', { prompt_id: third.promptId });
  await last.finish({ status: 'succeeded', outputs: [picture(third.id, '7')] });
  await tab.until('executing', { node: null, prompt_id: third.promptId });
  expect(tab.story()).not.toContain('execution_success');
  await api.ledger.jobs.cancel(lost.id);
  await tab.until('executing', { node: null, prompt_id: lost.promptId });
  await tab.until('execution_success', { prompt_id: second.promptId });
  await tab.until('execution_success', { prompt_id: third.promptId });
});

it('sends messages to all sockets of a client, and the current state to a new socket', async () => {
  const first = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  await claim.progress(at('5', 1));
  await first.until('progress');
  const second = await listenAt(api, { key: 'anna', clientId: 'tab' });
  await second.until('executing', node('5', promptId));
  expect(second.story().slice(0, 3)).toEqual(['execution_start', 'execution_cached', 'executing']);
  first.socket.close();
  await once(first.socket, 'close');
  await claim.finish({ status: 'succeeded', outputs: [picture(id, '7')] });
  await second.until('executing', { node: null, prompt_id: promptId });
});

it('reports running and waiting prompts to a client that reconnects with its id', async () => {
  const [a, b] = [await prompt('tab'), await prompt('tab')];
  const claim = await running();
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  await tab.until('execution_start', { prompt_id: a.promptId });
  await claim.finish({ status: 'succeeded', outputs: [] });
  await tab.until('executing', { node: null, prompt_id: a.promptId });
  await (await running()).finish({ status: 'succeeded', outputs: [] });
  await tab.until('executing', { node: null, prompt_id: b.promptId });
});

it('reports neither prompts that ended before the socket was opened nor prompts of other clients', async () => {
  const { id } = await prompt('tab');
  await api.ledger.jobs.cancel(id);
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  await prompt('another tab');
  const other = await prompt('tab', 'bert');
  for (let n = 0; n < 2; n++) await (await running()).finish({ status: 'succeeded', outputs: [] });
  const own = await prompt('tab');
  await (await running()).finish({ status: 'succeeded', outputs: [] });
  await tab.until('executing', { node: null, prompt_id: own.promptId });
  const shown = tab.heard.flatMap((one) => ('data' in one ? [one.data.prompt_id] : []));
  expect(new Set(shown.filter(Boolean))).toEqual(new Set([own.promptId]));
  expect(JSON.stringify(tab.heard)).not.toContain(other.promptId);
});

it('sends pictures of a SaveImageWebsocket node as frames while the node executes, and lists no files for it', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  const contents = [Buffer.from('first picture'), Buffer.alloc(300_000, 7)];
  for (const [n, content] of contents.entries()) {
    await api.frames.put(`${id}_${n + 1}.png`, [content], { signal: new AbortController().signal });
  }
  const listed = { key: 'images', type: 'temp', isSent: true } as const;
  const outputs = contents.map((_, n) => picture(id, 'save_it', { file: `${id}_${n + 1}.png`, listed }));
  await claim.finish({ status: 'succeeded', outputs });
  const heard = await tab.until('executing', { node: null, prompt_id: promptId });
  // Collects the pictures as ComfyUI's websockets example does.
  let current: unknown;
  const pictures: Buffer[] = [];
  for (const one of heard) {
    if ('binary' in one) {
      if (current === 'save_it') pictures.push(one.rest.subarray(4));
    } else if (one.type === 'executing' && one.data.prompt_id === promptId) current = one.data.node;
  }
  expect(pictures.map((content) => content.equals(contents[pictures.indexOf(content)] as Buffer))).toEqual([
    true,
    true,
  ]);
  expect(tab.story()).not.toContain('executed');
  expect(tab.story().slice(2)).toEqual([
    ...['executing', 'progress', 1, 'progress', 1, 'progress', 'execution_success', 'executing'],
  ]);
  const shown = heard.flatMap((one) =>
    'data' in one && one.type === 'progress' ? [[one.data.value, one.data.max]] : [],
  );
  expect(shown.slice(0, 2)).toEqual([
    [0, 2],
    [1, 2],
  ]);
});

it('omits a picture of a SaveImageWebsocket node that is larger than MAX_IMAGE_BYTES', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  await api.frames.put(`${id}_1.png`, [Buffer.from('picture')], { signal: new AbortController().signal });
  const listed = { key: 'images', type: 'temp', isSent: true } as const;
  const bytes = api.config.images.maxBytes + 1;
  await claim.finish({ status: 'succeeded', outputs: [{ ...picture(id, 'save_it', { listed }), bytes }] });
  const heard = await tab.until('executing', { node: null, prompt_id: promptId });
  expect(heard.filter((one) => 'binary' in one)).toEqual([]);
});

it('holds at most two pictures of a key for clients that do not read, and still sends those of other keys', async () => {
  const opened = vi.spyOn(api.frames, 'open');
  const sent = async (clientId: string, key: string) => {
    const { id, promptId } = await prompt(clientId, key);
    const claim = await running();
    // More than fits into the socket buffers of the system.
    await api.frames.put(`${id}_1.png`, [Buffer.alloc(16_000_000)], { signal: new AbortController().signal });
    const listed = { key: 'images', type: 'temp', isSent: true } as const;
    await claim.finish({ status: 'succeeded', outputs: [picture(id, 'save_it', { listed })] });
    return promptId;
  };
  const slow: [Listening, string][] = [];
  for (const clientId of ['a', 'b', 'c']) {
    const tab = await listenAt(api, { key: 'anna', clientId });
    tab.socket.pause();
    slow.push([tab, await sent(clientId, 'anna')]);
  }
  const quick = await listenAt(api, { key: 'bert', clientId: 'a' });
  await quick.until('executing', { node: null, prompt_id: await sent('a', 'bert') });
  expect(opened).toHaveBeenCalledTimes(3);
  for (const [tab, promptId] of slow) {
    tab.socket.resume();
    await tab.until('executing', { node: null, prompt_id: promptId });
    expect(tab.story()).toContain(1);
  }
});

it('reads the jobs of a key for its sockets only when it is the turn of the key', async () => {
  const read = vi.spyOn(api.ledger.jobs, 'openStates');
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const turns = Promise.all(Array.from({ length: 3 }, () => api.deps.heavyReads('anna', () => ended)));
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { promptId } = await prompt('tab');
  expect(read).not.toHaveBeenCalled();
  end();
  await turns;
  await (await running()).finish({ status: 'succeeded', outputs: [] });
  await tab.until('executing', { node: null, prompt_id: promptId });
  expect(read).toHaveBeenCalled();
});

it('reports one prompt of a client live, because a ComfyUI runs one at a time, and the others when they end', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const [a, b, c] = [await prompt('tab'), await prompt('tab'), await prompt('tab')];
  const shown = () =>
    tab.heard.flatMap((one) => {
      if ('binary' in one) return ['preview'];
      const prompt = [a, b, c].findIndex(({ promptId }) => promptId === one.data.prompt_id);
      if (prompt < 0 || one.type === 'execution_cached') return [];
      return [`${'abc'[prompt]} ${one.type}${one.data.node === null ? ' null' : ''}`];
    });
  const claimA = await running();
  await claimA.progress(at('5', 1));
  await tab.until('progress', { prompt_id: a.promptId });
  const claimB = await running();
  const claimC = await running();
  for (const claim of [claimB, claimC]) await claim.progress(at('5', 1));
  await until('the others are followed', () => claimC.isListenedTo());
  await claimB.preview({ contentType: 'image/jpeg', data: '/9j/4A==', nodeId: '5' });
  await claimB.finish({ status: 'succeeded', outputs: [picture(b.id, '7')] });
  await tab.until('executing', { node: null, prompt_id: b.promptId });
  await claimA.preview({ contentType: 'image/jpeg', data: '/9j/4B==', nodeId: '5' });
  await until('the preview is received', () => shown().includes('preview'));
  await claimA.finish({ status: 'succeeded', outputs: [picture(a.id, '7')] });
  await tab.until('progress', { prompt_id: c.promptId });
  await claimC.finish({ status: 'failed', error: { code: 'node_execution_error', detail: 'No.', nodeId: '5' } });
  await tab.until('executing', { node: null, prompt_id: c.promptId });
  expect(shown()).toEqual([
    ...['a execution_start', 'a executing', 'a progress'],
    ...[
      'b execution_start',
      'b executing',
      'b progress',
      'b progress',
      'b executing',
      'b executed',
      'b executing null',
    ],
    ...['a executing', 'preview', 'a progress', 'a executing', 'a executed', 'a execution_success', 'a executing null'],
    'b execution_success',
    ...['c execution_start', 'c executing', 'c progress', 'c execution_error', 'c executing null'],
  ]);
});

it('sends a lower queue length only after the end of the prompt that lowered it', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  for (let n = 0; n < 5; n++) await prompt('tab');
  await tab.until('status', remaining(5));
  const full = tab.heard.length;
  for (let left = 4; left >= 0; left--) {
    const claim = await running();
    await claim.finish({ status: 'succeeded', outputs: [] });
    // The previous length may be repeated.
    const isCount = (one: Heard) => 'data' in one && isDeepStrictEqual(one.data, remaining(left));
    const since = () => tab.heard.slice(full);
    await until('the queue length is sent', () => since().some(isCount));
    const before = since().slice(0, since().findIndex(isCount));
    expect(before.filter((one) => 'type' in one && one.type === 'execution_success')).toHaveLength(5 - left);
  }
});

it('answers GET /queue without an ended prompt only after its end was sent, because the Saintno SDK hangs otherwise', async () => {
  const tab = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  let readPictures = (_: undefined) => {};
  vi.spyOn(api.frames, 'open').mockReturnValue(
    new Promise<undefined>((resolve) => {
      readPictures = resolve;
    }),
  );
  const listed = { key: 'images', type: 'temp', isSent: true } as const;
  await claim.finish({ status: 'succeeded', outputs: [picture(id, 'save_it', { listed })] });
  const get = async (path: string) => (await fetch(`${api.url}/comfyui/k/anna/${path}`)).json();
  let queue: unknown;
  const asked = get('queue').then((answer) => {
    queue = answer;
  });
  // Another list takes longer to read.
  expect(await get('history')).toHaveProperty([promptId]);
  expect(queue).toBeUndefined();
  readPictures(undefined);
  await asked;
  expect(queue).toEqual({ queue_running: [], queue_pending: [] });
  await tab.until('executing', { node: null, prompt_id: promptId });
});

it('closes a socket that reads too slowly, and still serves the other sockets of its client', async () => {
  const slow = await listenAt(api, { key: 'anna', clientId: 'tab' });
  const quick = await listenAt(api, { key: 'anna', clientId: 'tab' });
  slow.socket.pause();
  const { id, promptId } = await prompt('tab');
  const claim = await running();
  const closed = once(slow.socket, 'close');
  // Together more than fits into the system's socket buffers.
  for (let n = 0; n < 400; n++) await claim.progress(at(`${n}`.padEnd(20_000, '-')));
  await claim.finish({ status: 'succeeded', outputs: [picture(id, '7')] });
  await quick.until('executing', { node: null, prompt_id: promptId });
  slow.socket.resume();
  expect((await closed)[0]).toBe(1013);
});

it('reads the changes that it missed while Redis was disconnected', async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.close());
  const own = await startApi(redis.url);
  onTestFinished(() => own.close());
  const tab = await listenAt(own, { clientId: 'tab' });
  const { id, promptId } = await prompt('tab', 'anonymous', newId(), own);
  await tab.until('status', remaining(1));
  await askRedis(redis, 'CLIENT KILL TYPE PUBSUB');
  await own.ledger.jobs.cancel(id);
  await tab.until('executing', { node: null, prompt_id: promptId });
  await tab.until('status', remaining(0));
});
