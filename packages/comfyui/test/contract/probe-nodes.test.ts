import { randomInt } from 'node:crypto';
import { comfyUnderTest } from '@comfy-fleet/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ComfyClient, createComfyClient, type Graph } from '../../src/index.js';
import { never } from '../support/client.js';
import { plainPicture, prefix } from './graphs.js';
import { ended, listen, run, submit } from './session.js';

/** Node `2` works on a plain picture; `more` are further nodes. */
function probe(class_type: string, inputs: Readonly<Record<string, unknown>>, more: Graph = {}): Graph {
  return { ...plainPicture(), '2': { class_type, inputs: { image: ['1', 0], ...inputs } }, ...more };
}

const saved = (node: string): Graph[string] => ({
  class_type: 'SaveImage',
  inputs: { images: [node, 0], filename_prefix: prefix() },
});

const FROM_2 = { display: '2', parent: '2', real: '2' };

/** A real ComfyUI takes part if the folder probe-nodes is among its custom nodes. */
describe.each(comfyUnderTest())('$name', ({ start, headers }) => {
  let url: string;
  let close: () => Promise<void>;
  let client: ComfyClient;
  let hasNodes: boolean;

  beforeAll(async () => {
    ({ url, close } = await start());
    client = createComfyClient({ baseUrl: url, instance: 'gpu/1', headers, timeoutMs: 30_000 });
    hasNodes = (await client.nodeClass(never(), 'ProbeLoop')) !== undefined;
  });

  beforeEach(({ skip }) => skip(!hasNodes, 'this ComfyUI does not have the nodes of the folder probe-nodes'));

  afterAll(async () => {
    client.close();
    await close();
  });

  it('reports from which node another one was expanded, in progress, previews and the history', async () => {
    const listener = await listen(url, headers);
    const graph = probe('ProbeExpand', { seed: randomInt(2 ** 31) }, { '3': saved('2') });
    const promptId = await submit(client, graph, listener.socket.clientId);
    await listener.heard('idle', promptId);
    const { outputs, temporary } = await ended(client, promptId);
    expect(outputs).toMatchObject([{ nodeId: '3' }]);
    expect(outputs[0]).not.toHaveProperty('expandedFrom');
    expect(temporary).toMatchObject([{ nodeId: '2.0.0.3', expandedFrom: FROM_2 }]);
    expect(listener.events).toContainEqual({ type: 'node', promptId, node: '2.0.0.1' });
    const states = listener.events.flatMap((event) => (event.type === 'progress_state' ? event.nodes : []));
    const steps = states.filter(({ node }) => node === '2.0.0.1');
    expect(steps.at(-1)).toMatchObject({ value: 5, max: 5, expandedFrom: FROM_2 });
    expect(states.filter(({ node }) => node === '2').every((state) => !('expandedFrom' in state))).toBe(true);
    const previews = listener.events.filter(({ type }) => type === 'preview');
    for (const preview of previews) expect(preview).toMatchObject({ node: '2.0.0.1', expandedFrom: FROM_2 });
  });

  it('runs a graph that saves only in expanded nodes', async () => {
    const { outcome, outputs } = await run(client, probe('ProbeLoop', { rounds: 3, filename_prefix: prefix() }));
    expect(outcome).toBe('success');
    const ids = ['2.0.0.2', '2.0.0.4', '2.0.0.6'];
    expect(outputs).toMatchObject(ids.map((nodeId) => ({ nodeId, type: 'output', expandedFrom: FROM_2 })));
  });

  it('keeps values that nodes show besides files and texts, and succeeds when they show nothing', async () => {
    const values = { tags: ['a', 'b'], value: [randomInt(2 ** 31)], stats: [{ mean: 0.5, of: [1, 2] }], none: [] };
    const graph = (shown: object): Graph => ({
      '9': { class_type: 'ProbeValues', inputs: { values: JSON.stringify(shown) } },
    });
    expect(await run(client, graph({ text: ['shown'], ...values }))).toMatchObject({
      outcome: 'success',
      texts: [{ nodeId: '9', text: 'shown' }],
      values: [{ nodeId: '9', values }],
    });
    expect(await run(client, graph({}))).toMatchObject({ outcome: 'success', outputs: [], texts: [], values: [] });
  });

  it('keeps outputs of nodes that finished before another one failed', async () => {
    const shown = { class_type: 'PreviewImage', inputs: { images: ['1', 0] } };
    const entry = await run(client, probe('ProbeFail', { message: 'boom' }, { '3': saved('2'), '4': shown }));
    expect(entry).toMatchObject({ outcome: 'error', temporary: [{ nodeId: '4' }], error: { nodeId: '2' } });
  });
});
