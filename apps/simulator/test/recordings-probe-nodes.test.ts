import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type JsonObject, writeJson } from '../src/python.js';
import { Running } from './running.js';

interface Recorded {
  readonly name: string;
  readonly prompt: JsonObject;
  /**
   * Type and data, without prompt ids, times and tracebacks. Nodes in `progress_state` are shortened to their values.
   */
  readonly frames: readonly (readonly [type: string, data: JsonObject])[];
  readonly outputs: JsonObject;
  readonly meta: JsonObject;
}

/** Recorded with packages/comfyui/test/contract/probe-nodes; both versions gave the same answers. */
const recorded = readFileSync(new URL('./fixtures/probe-nodes.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

/** Replaces what differs between two runs. */
const normalised = (value: unknown) =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/_\d{5}_/g, '_00001_')
      .replace(/ComfyUI_temp_[a-z]{5}/g, 'ComfyUI_temp_xxxxx'),
  );

const OF_ERRORS = ['node_id', 'node_type', 'executed', 'exception_message', 'exception_type'];

function inShort(frame: JsonObject | Buffer): readonly [string, JsonObject] {
  if (Buffer.isBuffer(frame)) {
    const about = JSON.parse(frame.subarray(8, 8 + frame.readUInt32BE(4)).toString());
    return ['binary', { ...about, prompt_id: undefined }];
  }
  const { type, data } = JSON.parse(writeJson(frame)) as { type: string; data: JsonObject };
  if (type === 'progress_state') {
    const nodes = Object.entries(data.nodes as Record<string, JsonObject>).map(([id, node]) => {
      const { value, max, state, display_node_id, parent_node_id, real_node_id } = node;
      return [id, [value, max, state, display_node_id, parent_node_id, real_node_id]];
    });
    return [type, Object.fromEntries(nodes)];
  }
  if (type !== 'execution_error') return [type, { ...data, prompt_id: undefined, timestamp: undefined } as never];
  const error = Object.fromEntries(OF_ERRORS.map((key) => [key, data[key] ?? null]));
  return [type, { ...error, executed: [...(data.executed as string[])].sort() }];
}

describe.each(['0.3.64', '0.33.0'] as const)('%s', (version) => {
  let running: Running;
  beforeAll(async () => {
    running = await Running.start({ version, probeNodes: true });
    running.listener.socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
    await running.listener.until(() => running.listener.texts('feature_flags').length > 0);
  });
  afterAll(() => running.close());

  it.each(recorded)(
    'sends the recorded frames and keeps the recorded history: $name',
    async ({ prompt, frames, outputs, meta }) => {
      const from = running.listener.frames.length;
      const entry = await running.run(prompt);
      const heard = running.listener.frames
        .slice(from)
        .filter((frame) => Buffer.isBuffer(frame) || frame.type !== 'status');
      expect(normalised(heard.map(inShort))).toEqual(frames);
      expect(normalised(JSON.parse(writeJson([entry.outputs ?? null, entry.meta ?? null])))).toEqual([outputs, meta]);
    },
  );
});

it('has no probe nodes by default', async () => {
  const running = await Running.start();
  expect(await running.get('/object_info/ProbeExpand')).toEqual({});
  await running.close();
});
