import { describe, expect, it } from 'vitest';
import type { SocketEvent } from '../src/index.js';
import { createFrameReader, readTextFrame } from '../src/socket-events.js';
import { fixtureText } from './support/fixtures.js';

interface RecordedFrame {
  readonly frame?: unknown;
  readonly binary?: { readonly length: number; readonly first_16_bytes_hex: string };
}

const METADATA = JSON.stringify({ node_id: '5', prompt_id: 'named', display_node_id: '5', image_type: 'image/jpeg' });
const JPEG = Buffer.from('ffd8ffe000104a46', 'hex');

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const plainPreview = Buffer.concat([uint32(1), uint32(1), JPEG]);
const namedPreview = Buffer.concat([uint32(4), uint32(METADATA.length), Buffer.from(METADATA), JPEG]);

/** The events of a recorded connection; the recordings have only the first 16 bytes of binary frames. */
function replay(name: string): readonly SocketEvent[] {
  const read = createFrameReader();
  const lines = fixtureText(name).trim().split('\n');
  return lines.flatMap((line) => {
    const { frame, binary } = JSON.parse(line) as RecordedFrame;
    const isPlain = binary?.first_16_bytes_hex.startsWith('00000001') === true;
    const event =
      binary === undefined
        ? read(Buffer.from(JSON.stringify(frame)), false)
        : read(isPlain ? Buffer.from(binary.first_16_bytes_hex, 'hex') : namedPreview, true);
    return event === undefined ? [] : [event];
  });
}

/** Types in order, without repetitions and progress states. */
const course = (events: readonly SocketEvent[]) =>
  events
    .map(({ type }) => type)
    .filter((type) => type !== 'progress_state')
    .filter((type, index, all) => type !== all[index - 1]);

const only = <T extends SocketEvent['type']>(events: readonly SocketEvent[], type: T) =>
  events.filter((event): event is Extract<SocketEvent, { type: T }> => event.type === type);

describe('the recorded connections', () => {
  it('report a success from start to end', () => {
    const events = replay('ws-success.jsonl');
    const steps = ['progress', 'preview', 'progress', 'preview', 'progress', 'preview', 'progress', 'preview'];
    expect(course(events)).toEqual([
      'queue',
      'started',
      'cached',
      'node',
      ...steps,
      'node',
      'output',
      'succeeded',
      'queue',
      'idle',
    ]);
    expect(only(events, 'node').map(({ node }) => node)).toEqual(['1', '4', '3', '2', '5', '6', '7']);
    expect(only(events, 'progress').map(({ value, max, node }) => [value, max, node])).toEqual(
      [1, 2, 3, 4].map((step) => [step, 4, '5']),
    );
    expect(only(events, 'output')[0]?.files).toEqual([
      { nodeId: '7', filename: 'text2img_00023_.png', subfolder: '', type: 'output', key: 'images' },
    ]);
    expect(only(events, 'started')[0]?.at).toBe(1795597394628);
  });

  it('assign plain previews to the latest prompt and node', () => {
    const previews = only(replay('ws-success.jsonl'), 'preview');
    expect(previews).toHaveLength(4);
    for (const { promptId, node, contentType, image } of previews) {
      expect([promptId, node, contentType]).toEqual(['f67ca5fe-6924-4253-bf4b-672e82544dd5', '5', 'image/jpeg']);
      expect(image.equals(JPEG)).toBe(true);
    }
  });

  it('assign previews with metadata to the prompt and node that they name', () => {
    const previews = only(replay('ws-metadata-preview.jsonl'), 'preview');
    expect(previews).toHaveLength(2);
    for (const { promptId, node, image } of previews) {
      expect([promptId, node]).toEqual(['named', '5']);
      expect(image.equals(JPEG)).toBe(true);
    }
  });

  it('report that a prompt failed', () => {
    const events = replay('ws-failed.jsonl');
    const [failed] = only(events, 'failed');
    expect(failed?.promptId).toBe('a3d85968-c6c8-4a30-bc0a-9da809bec505');
    expect(only(events, 'cached')[0]?.nodes).toEqual(['1', '2', '3']);
    expect(course(events).at(-1)).toBe('idle');
  });

  it('report that a prompt was interrupted, and at which node', () => {
    const [interrupted] = only(replay('ws-interrupted.jsonl'), 'interrupted');
    expect(interrupted).toEqual({
      type: 'interrupted',
      promptId: 'ac9be823-6703-4a67-ae26-67e0ea4cbf4f',
      node: '5',
    });
  });

  it("tells whose the progress is when it is another client's prompt, so that it can be passed over", () => {
    const events = replay('ws-no-client-id.jsonl');
    const prompts = new Set(events.flatMap((event) => ('promptId' in event ? [event.promptId] : [])));
    expect([...prompts]).toEqual(['c0d91326-a492-43b4-a886-1ce1350bb4d3']);
  });
});

describe('frames', () => {
  const text = (frame: unknown) => readTextFrame(JSON.stringify(frame));

  it('have a node without a prompt when a connection finds its prompt running', () => {
    expect(text({ type: 'executing', data: { node: '5' } })).toEqual({ type: 'node', promptId: undefined, node: '5' });
  });

  it.each([
    [{ type: 'feature_flags', data: { supports_preview_metadata: true } }],
    [{ type: 'assets.seed.started', data: {} }],
    [{ type: 'progress', data: { prompt_id: 'p', value: 'x', max: 1 } }],
    [{ type: 'execution_start', data: {} }],
    [{ type: 'status', data: null }],
    [{ type: 'status' }],
    ['text'],
    [null],
  ])('are ignored: %j', (frame) => {
    expect(text(frame)).toBeUndefined();
  });

  it('are ignored when they are not JSON', () => {
    expect(readTextFrame('{')).toBeUndefined();
  });

  it.each([
    ['shorter than its head', Buffer.alloc(7)],
    ['of an unknown image type', Buffer.concat([uint32(1), uint32(9), JPEG])],
    ['cut short in its metadata', namedPreview.subarray(0, 20)],
    ['with metadata that is not JSON', Buffer.concat([uint32(4), uint32(2), Buffer.from('{x'), JPEG])],
    ['with metadata that has no type', Buffer.concat([uint32(4), uint32(2), Buffer.from('{}'), JPEG])],
  ])('are ignored: a binary frame %s', (_what, frame) => {
    expect(createFrameReader()(frame, true)).toBeUndefined();
  });

  it('assign a plain preview to no prompt before the first one and after its end', () => {
    const read = createFrameReader();
    const send = (type: string, data: object) => read(Buffer.from(JSON.stringify({ type, data })), false);
    const owner = () => {
      const event = read(plainPreview, true);
      return event?.type === 'preview' ? [event.promptId, event.node] : 'no preview';
    };
    expect(owner()).toEqual([undefined, undefined]);
    send('execution_start', { prompt_id: 'a' });
    expect(owner()).toEqual(['a', undefined]);
    send('progress', { prompt_id: 'b', node: '3', value: 1, max: 2 });
    expect(owner()).toEqual(['b', '3']);
    send('execution_success', { prompt_id: 'a' });
    expect(owner()).toEqual(['b', '3']);
    send('executing', { prompt_id: 'b', node: null });
    expect(owner()).toEqual([undefined, undefined]);
  });
});
