import { describe, expect, it } from 'vitest';
import type { Graph } from '../src/index.js';
import { classesToLookUp, rejection } from '../src/rejection.js';
import { fixture } from './support/fixtures.js';

interface Recorded {
  readonly name: string;
  readonly version: string;
  readonly graph: Graph;
  readonly body: { readonly node_errors: Record<string, { errors: unknown[] }> };
}

const recorded = fixture<Recorded[]>('rejections.json');

function find(version: string, name: string): Recorded {
  const found = recorded.find((entry) => entry.version === version && entry.name === name);
  if (found === undefined) throw new Error(`no recording of ${name} by ${version}`);
  return found;
}

const read = ({ body, graph }: Recorded) => rejection(body, graph, () => undefined);

const SCHEDULERS = 'simple, sgm_uniform, karras, exponential, ddim_uniform, beta, normal, linear_quadratic, kl_optimal';
const NO_CLASS = 'is of a class that this ComfyUI does not have; is a custom node not installed?';

/** version, recording, detail, nodeId, pointers */
const EXPECTED: readonly (readonly [string, string, string, string | undefined, readonly string[]])[] = [
  ['0.3.64', 'unknown class_type', `NoSuchNode 5 ${NO_CLASS}`, '5', ['/nodes/5']],
  ['0.33.0', 'unknown class_type', `NoSuchNode 5 ${NO_CLASS}`, '5', ['/nodes/5']],
  ['0.33.0', 'unknown class_type with _meta.title', `NoSuchNode 1 ("My Node") ${NO_CLASS}`, '1', ['/nodes/1']],
  ['0.3.64', 'missing class_type', 'node 5 has no class_type', '5', ['/nodes/5']],
  ['0.33.0', 'missing class_type', 'node 5 has no class_type', '5', ['/nodes/5']],
  ['0.3.64', 'missing required input', 'steps is missing at KSampler 5', '5', ['/nodes/5/steps']],
  ['0.3.64', 'steps 0', 'steps 0 is below 1 at KSampler 5', '5', ['/nodes/5/steps']],
  ['0.3.64', 'steps 10001', 'steps 10001 is above 10000 at KSampler 5', '5', ['/nodes/5/steps']],
  ['0.3.64', 'steps not a number', "steps 'abc' is not a whole number at KSampler 5", '5', ['/nodes/5/steps']],
  ['0.3.64', 'steps null', 'steps null is not a whole number at KSampler 5', '5', ['/nodes/5/steps']],
  [
    '0.3.64',
    'seed 2^64',
    'seed 18446744073709551616 is above 18446744073709551615 at KSampler 5',
    '5',
    ['/nodes/5/seed'],
  ],
  [
    '0.3.64',
    'three errors at once in two nodes',
    'text is missing at CLIPTextEncode 2; cfg 1000 is above 100 at KSampler 5; steps is missing at KSampler 5',
    undefined,
    ['/nodes/2/text', '/nodes/5/cfg', '/nodes/5/steps'],
  ],
  [
    '0.3.64',
    'ckpt_name not in list',
    `ckpt_name 'nope.safetensors' is not installed at CheckpointLoaderSimple 1`,
    '1',
    ['/nodes/1/ckpt_name'],
  ],
  [
    '0.3.64',
    'scheduler invalid (short list)',
    `scheduler 'nope' is unknown at KSampler 5; known: ${SCHEDULERS}`,
    '5',
    ['/nodes/5/scheduler'],
  ],
  [
    '0.3.64',
    'sampler_name invalid (list longer than 20)',
    "sampler_name 'nope' is unknown at KSampler 5",
    '5',
    ['/nodes/5/sampler_name'],
  ],
  [
    '0.33.0',
    'COMBO: value not in options (a node that gives its choices as COMBO)',
    "upscale_method 'nope' is unknown at ImageScaleToMaxDimension 2; known: area, lanczos, bilinear, nearest-exact, bicubic",
    '2',
    ['/nodes/2/upscale_method'],
  ],
  ['0.3.64', 'no output node', 'the workflow has no output node, such as SaveImage', undefined, ['/nodes']],
  ['0.3.64', 'node without inputs', 'KSampler 5 has no inputs', '5', ['/nodes/5']],
  ['0.33.0', 'no inputs', 'EmptyImage 4 has no inputs', '4', ['/nodes/4']],
  [
    '0.3.64',
    'dangling node link',
    'samples of VAEDecode 6 is linked to node 99, which is not in the workflow',
    '6',
    ['/nodes/6/samples'],
  ],
  [
    '0.3.64',
    'link to an output slot that does not exist',
    'samples of VAEDecode 6 is linked to output 3 of KSampler 5, which has fewer outputs',
    '6',
    ['/nodes/6/samples'],
  ],
  [
    '0.3.64',
    'link whose node id is a number',
    'samples of VAEDecode 6 is linked to 5: the id of a node must be a string, "5"',
    '6',
    ['/nodes/6/samples'],
  ],
  [
    '0.3.64',
    'link with one element',
    'samples of VAEDecode 6 has an invalid link: a link is [node id, number of the output]',
    '6',
    ['/nodes/6/samples'],
  ],
  [
    '0.3.64',
    'link of a wrong type',
    'samples of VAEDecode 6 needs LATENT, but gets MODEL from CheckpointLoaderSimple 1',
    '6',
    ['/nodes/6/samples'],
  ],
  ['0.3.64', 'a node linked to itself', 'the nodes form a circle: KSampler 5 → KSampler 5', '5', ['/nodes/5']],
  ['0.33.0', 'a node linked to itself', 'the nodes form a circle: KSampler 5 → KSampler 5', '5', ['/nodes/5']],
  [
    '0.33.0',
    'a cycle of two nodes',
    'the nodes form a circle: ImageInvert 1 → ImageInvert 2 → ImageInvert 1',
    undefined,
    ['/nodes/1'],
  ],
  [
    '0.3.64',
    'LoadImage of a file that is not there',
    'image: Invalid image file: not-there.png at LoadImage 4',
    '4',
    ['/nodes/4/image'],
  ],
  [
    '0.33.0',
    'dynamic combo: its own input missing',
    'resize_type.multiplier is missing at ResizeImageMaskNode 2',
    '2',
    ['/nodes/2/resize_type.multiplier'],
  ],
  [
    '0.33.0',
    'client-supplied prompt_id (not a uuid)',
    'prompt_id must be a valid UUID: prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one',
    undefined,
    ['/nodes'],
  ],
];

describe('the recorded refusals', () => {
  it.each(EXPECTED)('%s, %s: says "%s"', (version, name, detail, nodeId, pointers) => {
    const error = read(find(version, name));
    expect(error.code).toBe('workflow_rejected');
    expect(error.detail).toBe(detail);
    expect(error.nodeId).toBe(nodeId);
    expect(error.errors.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it.each(recorded)('$version, $name: shows no traceback and no path of the server', (entry) => {
    const error = read(entry);
    const shown = JSON.stringify([error.message, error.detail, error.errors]);
    expect(shown).not.toMatch(/home|traceback|File \\"|execution\.py/i);
    expect(error.errors.length).toBeGreaterThan(0);
  });
});

describe('rejection', () => {
  it('returns the same text when ComfyUI orders the reasons differently', () => {
    const { body, graph } = find('0.3.64', 'three errors at once in two nodes');
    const turned = Object.fromEntries(
      Object.entries(body.node_errors).map(([id, node]) => [id, { ...node, errors: [...node.errors].reverse() }]),
    );
    const error = rejection({ ...body, node_errors: turned }, graph, () => undefined);
    expect(error.detail).toBe(rejection(body, graph, () => undefined).detail);
  });

  it('lists the options from the description of the class when the answer omits them', () => {
    const { body, graph } = find('0.3.64', 'sampler_name invalid (list longer than 20)');
    expect(classesToLookUp(body)).toEqual(['KSampler']);
    const samplers = Array.from({ length: 42 }, (_, index) => `sampler${index}`);
    const error = rejection(body, graph, (className, input) =>
      className === 'KSampler' && input === 'sampler_name' ? samplers : undefined,
    );
    expect(error.detail).toMatch(/known: sampler0, sampler1, .*, sampler29 and 12 more$/);
  });

  it('does not list the models that are installed, some of which the key may not know', () => {
    const { body, graph } = find('0.3.64', 'ckpt_name not in list');
    const bare = JSON.parse(JSON.stringify(body), (field, value) => (field === 'input_config' ? null : value));
    expect(classesToLookUp(bare)).toEqual([]);
    const error = rejection(bare, graph, () => ['secret.safetensors']);
    expect(error.detail).toBe("ckpt_name 'nope.safetensors' is not installed at CheckpointLoaderSimple 1");
  });

  it("adds a node's own title", () => {
    const { body, graph } = find('0.3.64', 'steps 0');
    const sampler = graph['5'];
    if (sampler === undefined) throw new Error('no sampler');
    const titled = { ...graph, '5': { ...sampler, _meta: { title: 'second pass' } } };
    expect(rejection(body, titled, () => undefined).detail).toBe('steps 0 is below 1 at KSampler 5 ("second pass")');
  });

  it('shows five reasons in the detail and all of them in errors', () => {
    const missing = (id: number) => ({
      class_type: 'A',
      errors: [{ type: 'required_input_missing', message: '', details: 'x', extra_info: { input_name: 'x' } }],
      id,
    });
    const node_errors = Object.fromEntries([11, 2, 3, 4, 5, 6, 7].map((id) => [`n${id}`, missing(id)]));
    const error = rejection({ error: {}, node_errors }, {}, () => undefined);
    expect(error.detail).toBe(
      'x is missing at A n2; x is missing at A n3; x is missing at A n4; x is missing at A n5; x is missing at A n6; and 2 more',
    );
    expect(error.errors).toHaveLength(7);
    expect(error.errors.at(-1)).toEqual({ pointer: '/nodes/n11/x', detail: 'x is missing at A n11' });
  });

  it('passes on an unknown kind of reason, with its node', () => {
    const entry = { type: 'new_kind', message: 'Too blue', details: 'see /srv/comfy/models/a.bin', extra_info: {} };
    const error = rejection({ node_errors: { '3': { class_type: 'A', errors: [entry] } } }, {}, () => undefined);
    expect(error.detail).toBe('Too blue: see a.bin at A 3');
  });

  it.each([[undefined], [null], [[]], ['no']])('is a refusal without a reason when the body is %j', (body) => {
    const error = rejection(body, {}, () => undefined);
    expect(error.detail).toBe('ComfyUI refused the workflow without giving a reason.');
  });
});
