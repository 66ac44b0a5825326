import type { JobRecord, OutputRecord } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { historyEntry, presentOutputs } from '../../src/facades/comfyui/prompts.js';
import { Narrator } from '../../src/facades/comfyui/socket/narrator.js';

const output = (nodeId: string, file: string, more: Partial<OutputRecord> = {}): OutputRecord => ({
  name: 'image',
  nodeId,
  kind: 'image',
  file,
  filename: 'ComfyUI_00001_.png',
  contentType: 'image/png',
  bytes: 9,
  sha256: 'ab',
  ...more,
});

const RECORD = {
  id: '0198c0de-0000-7000-8000-000000000001',
  alias: '7b1f7f3e-9f53-4f0b-8f6a-0d5cf8b3c001',
  status: 'succeeded',
  createdAt: 1000,
  startedAt: 2000,
  finishedAt: 3000,
  progress: { fraction: 1, step: null, steps: null, node: null, nodeId: '5', nodeClass: 'KSampler' },
  outputs: [output('7', 'j_1.png')],
  error: null,
  timings: {
    modelLoadMs: null,
    nodes: [
      { nodeId: '1', title: 'a', className: 'A', ms: null, steps: null, cached: true },
      { nodeId: '4', title: 'c', className: 'C', ms: 2, steps: null, cached: false },
      { nodeId: '5', title: 'b', className: 'B', ms: 9, steps: 4, cached: false },
    ],
  },
  listing: { number: 3 },
} as Partial<JobRecord> as JobRecord;

const SENT = { number: 3, graph: { '7': {} }, extraData: { client_id: 'c' }, outputs: ['7'] };
const PARTS = {
  graph: JSON.stringify(SENT.graph),
  extraData: JSON.stringify(SENT.extraData),
  outputs: JSON.stringify(SENT.outputs),
};

interface Entry {
  readonly prompt: readonly unknown[];
  readonly status: { readonly messages: readonly [type: string, data: object][] };
}

const entryOf = (more: Partial<JobRecord>) => JSON.parse(historyEntry({ ...RECORD, ...more }, PARTS)) as Entry;

it('lists files under the keys of their nodes, with their stored names', () => {
  const shown = presentOutputs([
    output('7', 'j_1.png'),
    output('7', 'j_2.png'),
    output('8', 'j_3.mp4', { kind: 'video', listed: { key: 'images', type: 'output', animated: true } }),
    output('9', 'j_4.webm', { listed: { key: 'gifs', type: 'temp', format: 'video/webm', frameRate: 8 } }),
    output('2', 'j_5.txt', { kind: 'text', text: 'shown', listed: { key: 'text', type: 'output' } }),
    output('3', 'j_6.txt', { kind: 'text', text: 'saved', listed: { key: 'files', type: 'output' } }),
    output('__proto__', 'j_7.png'),
  ]);
  const file = (filename: string, type = 'output') => ({ filename, subfolder: '', type });
  expect(JSON.parse(JSON.stringify(shown))).toEqual(
    JSON.parse(
      JSON.stringify({
        '7': { images: [file('j_1.png'), file('j_2.png')] },
        '8': { images: [file('j_3.mp4')], animated: [true] },
        '9': { gifs: [{ ...file('j_4.webm', 'temp'), format: 'video/webm', frame_rate: 8 }] },
        '2': { text: ['shown'] },
        '3': { files: [file('j_6.txt')] },
        ['__proto__']: { images: [file('j_7.png')] },
      }),
    ),
  );
});

it('shows values under the keys of their node, and the parent of an expanded node', () => {
  const expandedFrom = { display: '2', parent: '2.0.0.1', real: '2' };
  const shown = output('2.0.0.1.0.0.3', 'j_2.json', {
    expandedFrom,
    text: '{"tags":["a","b"],"images":[7]}',
    listed: { key: '', type: 'output', isValues: true },
  });
  const file = output('2.0.0.1.0.0.3', 'j_1.png', { expandedFrom });
  const entry = entryOf({ outputs: [file, shown] });
  expect(entry).toMatchObject({
    outputs: { '2.0.0.1.0.0.3': { images: [{ filename: 'j_1.png' }, 7], tags: ['a', 'b'] } },
    meta: {
      '2.0.0.1.0.0.3': {
        node_id: '2.0.0.1.0.0.3',
        display_node: '2',
        parent_node: '2.0.0.1',
        real_node_id: '2',
      },
    },
  });
});

it('shows a success as ComfyUI does, with the prompt id that the caller chose', () => {
  const about = { prompt_id: RECORD.alias, timestamp: 2000 };
  expect(entryOf({})).toEqual({
    prompt: [3, RECORD.alias, SENT.graph, SENT.extraData, ['7']],
    outputs: { '7': { images: [{ filename: 'j_1.png', subfolder: '', type: 'output' }] } },
    status: {
      status_str: 'success',
      completed: true,
      messages: [
        ['execution_start', about],
        ['execution_cached', { nodes: ['1'], ...about }],
        ['execution_success', { ...about, timestamp: 3000 }],
      ],
    },
    meta: { '7': { node_id: '7', display_node: '7', parent_node: null, real_node_id: '7' } },
  });
  expect(entryOf({ alias: null }).prompt[1]).toBe(RECORD.id);
});

it("shows a node's exception and the nodes that finished before it, or our own message if no node failed", () => {
  const exception = { type: 'ValueError', message: 'no', nodeClass: 'KSampler', traceback: ['here'] };
  const error = { code: 'node_execution_error', detail: 'KSampler 5 failed: no', nodeId: '5', exception } as const;
  const failed = { status: 'failed', outputs: [] } as const;
  const { status } = entryOf({ ...failed, error });
  expect(status).toMatchObject({ status_str: 'error', completed: false });
  expect(status.messages.at(-1)).toEqual([
    'execution_error',
    {
      prompt_id: RECORD.alias,
      timestamp: 3000,
      node_id: '5',
      node_type: 'KSampler',
      executed: ['4'],
      exception_message: 'no',
      exception_type: 'ValueError',
      traceback: ['here'],
      current_inputs: {},
      current_outputs: [],
    },
  ]);
  const ours = { code: 'timed_out', detail: 'It took too long.', nodeId: null } as const;
  expect(entryOf({ ...failed, error: ours }).status.messages.at(-1)?.[1]).toMatchObject({
    node_id: '',
    executed: ['4', '5'],
    exception_message: 'It took too long.',
  });
});

it('shows a canceled job as interrupted, and only the end of a job that never began', () => {
  const canceled = entryOf({ status: 'canceled', outputs: [] }).status;
  const under = { node_id: '5', node_type: 'KSampler', executed: ['4'] };
  expect(canceled.messages.at(-1)).toMatchObject(['execution_interrupted', under]);
  const expired = entryOf({ status: 'expired', startedAt: null, timings: null, outputs: [] }).status;
  expect(expired).toMatchObject({ status_str: 'error', completed: false });
  expect(expired.messages.map(([type]) => type)).toEqual(['execution_error']);
});

it('reports the beginning again for a new submission, even if the loss of the first one was never reported', () => {
  const narrator = new Narrator(RECORD);
  const progress = { fraction: 0.5, step: 1, steps: 2, nodeId: '4' } as JobRecord['progress'];
  const typesOf = (promptId: string) => narrator.begun({ ...RECORD, promptId, progress }).map(([type]) => type);
  const whole = ['execution_start', 'execution_cached', 'executing', 'progress'];
  expect(typesOf('first')).toEqual(whole);
  expect(typesOf('first')).toEqual([]);
  expect(typesOf('second')).toEqual(whole);
});

it('reports expanded nodes as ComfyUI does', () => {
  const narrator = new Narrator(RECORD);
  narrator.begun({ ...RECORD, promptId: 'first', progress: { ...RECORD.progress, nodeId: '2' } });
  const expandedFrom = { display: '2', parent: '2', real: '2' };
  const progress = { ...RECORD.progress, nodeId: '2.0.0.1', expandedFrom, step: null, steps: null };
  const ids = { node: '2.0.0.1', display_node: '2', prompt_id: RECORD.alias };
  expect(narrator.progressed(progress)).toEqual([['executing', ids]]);
});
