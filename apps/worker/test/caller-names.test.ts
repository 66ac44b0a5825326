import { FleetError } from '@comfy-fleet/contracts';
import type { Graph } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { CallerNames } from '../src/submission/caller-names.js';

/** The prefix of the submission and that of its second saving node. */
const PREFIX = 'ab'.repeat(32);
const SECOND = `${PREFIX}-2`;
const INPUT = `${'cd'.repeat(32)}.png`;

const graphOf = (image: string, prefix: string, title = 'Käse 🧀'): Graph => ({
  '3': { class_type: 'LoadImage', inputs: { image, upload: 'image' }, _meta: { title } },
  '12': { class_type: 'KSampler', inputs: { seed: 18446744073709551615n, cfg: 1.5, text: 'a "fox" {in} the \\ rain' } },
  '7': { class_type: 'SaveImage', inputs: { images: ['3', 0], filename_prefix: prefix } },
  '8': { class_type: 'PreviewImage', inputs: { images: ['3', 0] } },
});
const OWN = graphOf('photo.png', 'cats/tom');
const named = (graph: Graph | undefined = OWN) =>
  new CallerNames({ prefix: PREFIX, files: new Map([[INPUT, 'photo.png']]), ...(graph && { graph }) });

/** As Python's json.dumps writes it, with what ComfyUI adds to nodes. */
function dumped(graph: Graph, indent = ''): string {
  const marked = JSON.stringify(graph, (_key, value) => (typeof value === 'bigint' ? `#${value}#` : value), 1);
  const lines = marked.replace(/"#(\d+)#"/g, '$1').replace(/[\u0080-\uffff]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  const spaced = lines.replace(/,\n\s*/g, indent === '' ? ', ' : `,${indent}`).replace(/\n\s*/g, indent);
  return spaced.replace('"class_type": "LoadImage"', '"class_type": "LoadImage", "is_changed": [NaN]');
}

/** The edited text, checked to be the same in one piece and in several. */
function edited(names: CallerNames, text: string, bytes = Math.max(100, text.length / 20)): string {
  const whole = names.edit(Buffer.from(text, 'latin1'), true).done.toString('latin1');
  let pending = Buffer.alloc(0);
  let pieces = '';
  for (let at = 0; at < text.length; at += bytes) {
    const { done, rest } = names.edit(
      Buffer.concat([pending, Buffer.from(text.slice(at, at + bytes), 'latin1')]),
      false,
    );
    pieces += done.toString('latin1');
    pending = Buffer.from(rest);
  }
  pieces += names.edit(pending, true).done.toString('latin1');
  expect(pieces).toBe(whole);
  expect(whole).toHaveLength(text.length);
  return whole;
}

const exact = (json: string) => json.replace('18446744073709551615', '"18446744073709551615"');
const ownExact = JSON.parse(exact(dumped(OWN).replace(', "is_changed": [NaN]', '')));

describe('in a file', () => {
  const ours = graphOf(INPUT, SECOND);

  it.each(['', '\n  '])("replaces the graph by the caller's and keeps its length, indented by %j", (indent) => {
    const text = `\x00\xff prompt\0${dumped(ours, indent)} and then {"3": {"x": 1}} \xfe`;
    const found = /prompt\0(.*) and then \{"3": \{"x": 1\}\} \xfe$/s.exec(edited(named(), text))?.[1] ?? '';
    expect(JSON.parse(exact(found))).toEqual(ownExact);
  });

  it("replaces the graph inside a JSON string by the caller's", () => {
    const text = `${JSON.stringify({ __metadata__: { prompt: dumped(ours), workflow: '{}' }, t: 1 })}\x00\x01`;
    const header = JSON.parse(edited(named(), text).slice(0, -2));
    expect(header).toMatchObject({ __metadata__: { workflow: '{}' }, t: 1 });
    expect(JSON.parse(exact(header.__metadata__.prompt))).toEqual(ownExact);
  });

  it('keeps other graphs, such as the one that the caller sent as the workflow', () => {
    const text = `workflow\0${dumped(OWN)}`;
    expect(edited(named(), text)).toBe(text);
  });

  it('masks our names where the graph is unknown, too long, formatted differently, or cut off', () => {
    const long = named(graphOf('photo.png', 'p'.repeat(5000)));
    for (const [names, text] of [
      [named(undefined), dumped(ours)],
      [new CallerNames({ prefix: PREFIX, files: new Map([[INPUT, 'photo.png']]) }), dumped(ours)],
      [long, dumped(ours)],
      [named(), `file: ${SECOND}_00001_.png of ${INPUT}`],
      [named(), dumped(ours).slice(0, -20)],
    ] as const) {
      const found = edited(names, text);
      expect(found).not.toContain('ab'.repeat(8));
      expect(found).not.toContain('cd'.repeat(8));
    }
  });

  it('passes on at once a text with many beginnings of graphs that never end', () => {
    const text = `${'{"3": {'.repeat(1_000_000)}${PREFIX}`;
    expect(edited(named(), text)).toBe(text.replace(PREFIX, '_'.repeat(64)));
  });
});

it("names a file as ComfyUI would have named it for the caller's graph", () => {
  const nameOf = (nodeId: string, end: string) => named().ofFile({ nodeId, filename: `${SECOND}${end}` });
  expect(nameOf('7', '_00001_.png')).toBe('tom_00001_.png');
  expect(nameOf('8', '_00002_.png')).toBe('ComfyUI_temp_00002_.png');
  expect(nameOf('99', '_00003-audio.mp4')).toBe('ComfyUI_00003-audio.mp4');
  expect(named().ofFile({ nodeId: '7', filename: 'x/own.png' })).toBe('own.png');
});

it('replaces our names in errors', () => {
  const exception = { type: 'E', message: `no ${INPUT}`, nodeClass: 'LoadImage', traceback: [`in ${SECOND}_1.png`] };
  const errors = [{ pointer: '/3', detail: `Invalid image file: ${INPUT}` }];
  const error = new FleetError('node_execution_error', `LoadImage 3 failed: ${INPUT}`, {
    nodeId: '3',
    exception,
    errors,
  });
  expect(named().inError(error)).toMatchObject({
    code: 'node_execution_error',
    detail: 'LoadImage 3 failed: photo.png',
    nodeId: '3',
    exception: { message: 'no photo.png', traceback: ['in ComfyUI_1.png'], nodeClass: 'LoadImage' },
    errors: [{ pointer: '/3', detail: 'Invalid image file: photo.png' }],
  });
  const other = new TypeError('x');
  expect(named().inError(other)).toBe(other);
});
