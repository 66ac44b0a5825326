import { withText } from '@comfy-fleet/testing';
import fc, { type Arbitrary } from 'fast-check';
import { BOUNDARY } from '../../fuzz/forms.js';
import { maybe } from '../../fuzz/headers.js';
import { nasty } from '../../fuzz/values.js';
import { drawing, inverting, redrawing } from '../../runnable.js';
import type { CompatTargets } from './targets.js';

type Fields = Readonly<Record<string, unknown>>;

/** Mostly a valid body for the path, or a valid one with one or two bad fields; sometimes anything else. */
export function jsonBody(path: string, targets: CompatTargets): Arbitrary<Buffer> {
  const good = goodBody(path, targets);
  const spoilt = fc.tuple(good, fc.array(fc.tuple(fieldOf(good), nasty), { minLength: 1, maxLength: 2 }));
  return fc.oneof(
    { weight: 8, arbitrary: good.map(toJson) },
    { weight: 6, arbitrary: spoilt.map(([fields, more]) => toJson({ ...fields, ...Object.fromEntries(more) })) },
    { weight: 1, arbitrary: nasty.map(toJson) },
    {
      weight: 1,
      arbitrary: fc.tuple(good.map(toJson), fc.nat()).map(([whole, at]) => whole.subarray(0, at % whole.length)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
  );
}

function fieldOf(good: Arbitrary<Fields>): Arbitrary<string> {
  return fc.oneof(
    { weight: 8, arbitrary: good.chain((fields) => fc.constantFrom('nothing', ...Object.keys(fields))) },
    { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '', 'webhook_url', 'inputs') },
  );
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? '');
}

function goodBody(path: string, targets: CompatTargets): Arbitrary<Fields> {
  const { ids, hashes, names, promptIds, marker } = targets;
  const some = fc.array(fc.constantFrom(...ids), { maxLength: 3 });
  if (path === '/comfyui/prompt') {
    return fc.record(
      {
        prompt: graph(targets),
        prompt_id: fc.constantFrom(...promptIds),
        client_id: fc.constantFrom('page', 'comfyui-mcp'),
        front: fc.boolean(),
        extra_data: fc.constant({ extra_pnginfo: { workflow: { marker } } }),
        partial_execution_targets: fc.constantFrom(['7'], ['9', '7'], []),
      },
      { requiredKeys: ['prompt'] },
    );
  }
  if (path === '/api/v2/jobs') return fc.record({ workflow: graph(targets) });
  if (path === '/api/v2/assets/from-hash') {
    return fc.record(
      { hash: fc.constantFrom(...hashes), file_path: fc.constantFrom(...names) },
      { requiredKeys: ['hash'] },
    );
  }
  if (path === '/v1/images/generations') return fc.record(pictureFields(targets), { requiredKeys: ['prompt'] });
  if (path === '/comfyui/interrupt') return fc.record({ prompt_id: fc.constantFrom(...ids) }, { requiredKeys: [] });
  if (path === '/comfyui/jobs/cancel') return some.map((job_ids) => ({ job_ids }));
  // POST /queue and /history. They rarely clear everything, so that other requests still find jobs.
  return fc.oneof(
    { weight: 9, arbitrary: some.map((all) => ({ delete: all })) },
    { weight: 1, arbitrary: fc.constant({ clear: true }) },
  );
}

function pictureFields({ marker }: CompatTargets) {
  return {
    prompt: fc.constantFrom(marker, `${marker}, oil on canvas`),
    model: fc.constantFrom('text2img', 'text2img@sketch', 'gpt-image-2', 'dall-e-3', 'img2img', 'nothing'),
    n: fc.integer({ min: 1, max: 3 }),
    size: fc.constantFrom('auto', '64x64', '1024x1024', '1x1'),
    quality: fc.constantFrom('low', 'high', 'auto'),
    response_format: fc.constantFrom('url', 'b64_json'),
    stream: fc.boolean(),
  };
}

/** A graph that can run, or one with a random error or another key's file in it. */
function graph({ marker, names, ids }: CompatTargets): Arbitrary<unknown> {
  const file = fc.oneof(
    fc.constantFrom(...names),
    fc.constantFrom(...ids).map((id) => `${id}_1.png [output]`),
  );
  const asset = fc.constantFrom(...ids).map((id) => ({ __type__: 'core/ASSET', asset_id: id }));
  const base = fc.oneof(
    fc.constant(drawing()),
    fc.constant(redrawing()),
    fc.oneof(file, asset as Arbitrary<unknown>).map((image) => inverting(image as string)),
  );
  const fault = fc.tuple(
    fc.constantFrom('1', '3', '5', '7', '99'),
    fc.constantFrom('text', 'image', 'seed', 'images', 'x'),
    nasty,
  );
  return fc.tuple(base, maybe(fault, 3), maybe(nasty, 12)).map(([nodes, wrong, more]) => {
    const copy = structuredClone(nodes) as Record<string, { class_type: string; inputs: Record<string, unknown> }>;
    if (copy['3']?.class_type === 'CLIPTextEncode') copy['3'].inputs.text = marker;
    if (wrong !== undefined) {
      const [node, input, value] = wrong;
      copy[node] = {
        class_type: copy[node]?.class_type ?? 'NoSuchNode',
        inputs: { ...copy[node]?.inputs, [input]: value },
      };
    }
    return more === undefined ? copy : { ...copy, 50: more };
  });
}

/** A form with files and fields that the path takes, and sometimes with others. */
export function formBody(path: string, targets: CompatTargets): Arbitrary<Buffer> {
  const { marker, hashes, names, png } = targets;
  const isEdit = path.startsWith('/v1');
  const texts = isEdit
    ? { model: fc.constantFrom('img2img', 'text2img'), n: fc.constantFrom('1', '2', 'x') }
    : {
        subfolder: fc.constantFrom('', 'sub', '../x'),
        overwrite: fc.constantFrom('true', '1', 'false'),
        original_ref: fc.constantFrom(...names).map((filename) => JSON.stringify({ filename })),
        file_path: fc.constantFrom(...names),
        expected_hash: fc.constantFrom(...hashes),
        tags: fc.constant(marker),
      };
  const text = fc.oneof(
    ...Object.entries(texts).map(([name, value]) => value.map((text) => [name, text] as const)),
    fc.tuple(
      fc.constantFrom(...Object.keys(texts), 'size', 'type', '__proto__'),
      nasty.map((value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))),
    ),
  );
  const content = fc.oneof(
    { weight: 6, arbitrary: fc.nat(9).map((n) => withText(png, `${marker} ${n}`)) },
    { weight: 1, arbitrary: fc.constant(Buffer.from(marker)) },
    { weight: 1, arbitrary: fc.constant(png.subarray(0, 40)) },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
  );
  const field = fc.constantFrom(...(isEdit ? ['image', 'image', 'image[]', 'mask'] : ['image', 'file', 'file']));
  const called = fc.oneof(fc.constantFrom(...names), fc.constantFrom('', '../../x', 'a\u0000b', '__proto__', '"'));
  const file = fc
    .tuple(field, called, content)
    .map(([name, filename, data]) => part(`name="${name}"; filename="${filename}"`, data));
  const fields = fc.array(
    text.map(([name, value]) => part(`name="${name}"`, Buffer.from(value))),
    { maxLength: 4 },
  );
  const files = fc.array(file, { minLength: 0, maxLength: 2 });
  const needed = isEdit
    ? part('name="prompt"', Buffer.from(marker))
    : part('name="content_type"', Buffer.from('image/png'));
  const start = fc.constantFrom(...Array.from({ length: 9 }, () => needed), Buffer.alloc(0));
  const ending = fc.constantFrom(...Array.from({ length: 9 }, () => `--${BOUNDARY}--\r\n`), '');
  return fc
    .tuple(start, fields, files, ending)
    .map(([first, some, others, end]) => Buffer.concat([first, ...some, ...others, Buffer.from(end)]));
}

function part(head: string, data: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
    data,
    Buffer.from('\r\n'),
  ]);
}
