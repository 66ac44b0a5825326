import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { aFlow, bound, PROFILES, resolved, STYLE, TWO_OUTPUTS } from './generic.js';
import { DRAWN_SEED, inputsOf } from './requests.js';

const BIG = '18446744073709551615';

/** The errors, as `<pointer> <detail>`. */
function faultsOf(act: () => unknown): string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof FleetError) return error.errors.map(({ pointer, detail }) => `${pointer} ${detail}`);
    throw error;
  }
  return [];
}

describe('a level of detail of a generic workflow', () => {
  it('changes nothing unless it is named', () => {
    expect(resolved(aFlow()).inputs).toMatchObject({ steps: 4, cfg: 8, sampler: 'euler', width: 512, height: 768 });
  });

  it("sets its values for the workflow's inputs, unless the request does", () => {
    const { inputs, lod } = resolved(aFlow(), { lod: 'final', inputs: { steps: 3 } });
    expect(lod).toBe('final');
    expect(inputs).toMatchObject({ steps: 3, cfg: PROFILES.final.cfg, sampler: 'heun', width: 256, height: 384 });
    expect(inputs.denoise).toBe(1);
  });

  it('is that of its inputs file first', () => {
    const own = { inputs: {}, profiles: { mid: { steps: 6 }, final: { steps: 50, deadline_seconds: 9 } } };
    const flow = aFlow(TWO_OUTPUTS, own);
    expect(resolved(flow).inputs).toMatchObject({ steps: 6, cfg: 8, width: 512 });
    expect(resolved(flow, { lod: 'final' }).inputs).toMatchObject({ steps: 50, sampler: 'heun' });
    expect(resolved(flow, { lod: 'sketch' }).inputs).toMatchObject({ steps: PROFILES.sketch.steps });
  });

  it('does not change a graph without guidance', () => {
    const graph = structuredClone(TWO_OUTPUTS) as Record<string, { inputs: Record<string, unknown> }>;
    Object.assign(graph[4]?.inputs ?? {}, { cfg: 1 });
    expect(resolved(aFlow(graph), { lod: 'final' }).inputs).toMatchObject({ cfg: 1, sampler: 'heun' });
  });
});

describe('a seed of a generic workflow', () => {
  it.each([[BIG], [`${2n ** 53n}`], [0], ['0']])('is taken and bound digit by digit: %s', (seed) => {
    expect(resolved(aFlow(), { inputs: { seed } }).inputs.seed).toBe(`${seed}`);
    expect(inputsOf(bound(aFlow(), { inputs: { seed } }), '4').seed).toBe(BigInt(seed));
  });

  it('is random by default', () => {
    expect(resolved(aFlow()).inputs.seed).toBe(DRAWN_SEED);
  });

  it('is not what digits of a text are, where the graph has a number in a place for text', () => {
    const graph = structuredClone(TWO_OUTPUTS) as Record<string, { inputs: Record<string, unknown> }>;
    Object.assign(graph[2]?.inputs ?? {}, { text: 5 });
    const digits = '1'.repeat(65); // BigInt() of a long prompt would take seconds
    expect(inputsOf(bound(aFlow(graph), { inputs: { scene: digits } }), '2').text).toBe(digits);
  });

  it.each([[`${BigInt(BIG) + 1n}`], [2 ** 53], [-1], ['12a']])('is refused: %s', (seed) => {
    expect(faultsOf(() => resolved(aFlow(), { inputs: { seed } }))).toEqual([
      expect.stringMatching(/^\/inputs\/seed /),
    ]);
  });
});

describe('seeds of a workflow with two samplers that were saved with different ones', () => {
  const first = TWO_OUTPUTS[4] as { readonly inputs: object };
  const graph = {
    ...TWO_OUTPUTS,
    9: { class_type: 'KSampler', inputs: { ...first.inputs, seed: 8, denoise: 0.4, latent_image: ['4', 0] } },
    5: { class_type: 'VAEDecode', inputs: { samples: ['9', 0], vae: ['1', 2] } },
  };
  const drawing = () => {
    let next = 100;
    return { randomSeed: () => `${next++}` };
  };
  const seedsIn = (wanted: object) => {
    const workflow = aFlow(graph);
    const nodes = bound(workflow, { ...drawing(), ...wanted });
    const { seed, seed_2 } = resolved(workflow, { ...drawing(), ...wanted }).inputs;
    return { recorded: [seed, seed_2], bound: [inputsOf(nodes, '4').seed, inputsOf(nodes, '9').seed] };
  };

  it('are random and recorded for each by default', () => {
    expect(seedsIn({})).toEqual({ recorded: ['100', '101'], bound: [100n, 101n] });
  });

  it('all equal `seed` if that is set', () => {
    expect(seedsIn({ inputs: { seed: 5 } })).toEqual({ recorded: ['5', '5'], bound: [5n, 5n] });
  });

  it('can be set individually', () => {
    expect(seedsIn({ inputs: { seed: 5, seed_2: 6 } })).toEqual({ recorded: ['5', '6'], bound: [5n, 6n] });
  });

  it('report an error of seed once', () => {
    expect(faultsOf(() => resolved(aFlow(graph), { inputs: { seed: -1 } }))).toHaveLength(1);
  });
});

describe('outputs of a generic workflow', () => {
  it('omit nodes that only other outputs need', () => {
    expect(Object.keys(bound(aFlow(), { outputs: ['draft'] }))).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(Object.keys(bound(aFlow(), { outputs: ['styled'] }))).toEqual(['1', '2', '3', '4', '5', '7', '8']);
    expect(Object.keys(bound(aFlow()))).toHaveLength(8);
  });

  it('that do not exist are refused, with the nearest name', () => {
    expect(faultsOf(() => resolved(aFlow(), { outputs: ['draft', 'stiled'] }))).toEqual([
      expect.stringMatching(/^\/outputs\/1 is not an output .* did you mean "styled"\?/),
    ]);
  });

  it('explains the first unknown ones, and suggests nothing for names that are no typing errors', () => {
    const outputs = Array.from({ length: 100 }, (_, n) => `styled${'x'.repeat(100)}${n}`);
    const faults = faultsOf(() => resolved(aFlow(), { outputs }));
    expect(faults).toHaveLength(10);
    for (const fault of faults) expect(fault).not.toContain('did you mean');
  });
});

describe('inputs of a generic workflow', () => {
  const listed = { inputs: { looks: { node: 'Style', widget: 'looks' } } };
  const loading = {
    1: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  };

  it('that do not exist are refused, with the nearest name, and so is a missing file', () => {
    expect(faultsOf(() => resolved(aFlow(), { inputs: { scen: 'x' } }))).toEqual([
      expect.stringMatching(/^\/inputs\/scen is not an input of the workflow flow, did you mean "scene"\? /),
    ]);
    expect(faultsOf(() => resolved(aFlow(loading)))).toEqual(['/inputs/image is required']);
  });

  it('that are lists are wrapped, because ComfyUI treats a plain list as a link', () => {
    const graph = bound(aFlow(TWO_OUTPUTS, listed), { inputs: { looks: ['soft', 'dark'] } });
    expect(inputsOf(graph, '7').looks).toEqual({ __value__: ['soft', 'dark'] });
  });

  it("that are files are bound under ComfyUI's names", () => {
    const file = { name: `${'a'.repeat(64)}.png`, kind: 'image' } as const;
    const graph = bound(aFlow(loading), { inputs: { image: file } }, new Map([['image', 'given (1).png']]));
    expect(inputsOf(graph, '1').image).toBe('given (1).png');
  });

  it('are not files if the workflow loads none, whatever JSON the node class accepts', () => {
    const any = { 1: { class_type: 'PreviewAny', inputs: { source: 'x' }, _meta: { title: 'input:shown' } } };
    const file = { name: `${'a'.repeat(64)}.m3u8`, kind: 'file' } as const;
    expect(faultsOf(() => resolved(aFlow(any), { inputs: { shown: file } }))).toEqual(['/inputs/shown takes no file']);
  });

  it('are no texts that ComfyUI would read for minutes because of their parentheses', () => {
    const scene = (depth: number) => `${'('.repeat(depth)}${' '.repeat(95_000)}${')'.repeat(depth)}`;
    const faults = (depth: number) => faultsOf(() => resolved(aFlow(), { inputs: { scene: scene(depth) } }));
    expect(faults(90)).toEqual([]);
    expect(faults(400)).toEqual(['/inputs/scene nests too much in parentheses: remove some']);
  });

  it('do not reveal where anything is stored, whatever name a node asks for', () => {
    const graph = { ...TWO_OUTPUTS, 9: { class_type: 'SaveLoRA', inputs: { lora: ['1', 0], prefix: 'loras/mine' } } };
    expect([inputsOf(bound(aFlow(graph)), '9').prefix, inputsOf(bound(aFlow(graph)), '6').filename_prefix]).toEqual([
      'job-3',
      'job-1',
    ]);
  });

  it('are bound into a copy: the workflow stays as it was', () => {
    const flow = aFlow();
    const before = structuredClone(flow.graph);
    bound(flow, { inputs: { scene: 'a fox', steps: 9 }, lod: 'final', outputs: ['draft'] });
    expect(flow.graph).toEqual(before);
  });
});

describe('the inputs that determine which instances can run a request', () => {
  const inputs = {
    inputs: {
      scene: { node: '2', widget: 'text' },
      style: { node: '7', widget: 'style' },
      base: { node: '1', widget: 'ckpt_name' },
      prefix: { node: '6', widget: 'filename_prefix' },
    },
  };
  const NODES = { CLIPTextEncode: { input: { required: { text: ['STRING', {}] } } }, ...STYLE };

  it('are models and options, however short other texts are', () => {
    const { choices } = resolved(aFlow(TWO_OUTPUTS, inputs), { catalogue: { ...NODES, SaveImage: {} } });
    expect(choices).toEqual(expect.arrayContaining(['style', 'base']));
    expect(choices).not.toContain('scene');
    expect(choices).not.toContain('prefix');
  });

  it('are values that look like options for a class in no catalogue, and unknown without a catalogue', () => {
    const { choices } = resolved(aFlow(TWO_OUTPUTS, inputs), { catalogue: { CLIPTextEncode: {} } });
    expect(choices).toEqual(expect.arrayContaining(['style', 'base', 'sampler']));
    expect(resolved(aFlow(TWO_OUTPUTS, inputs)).choices).toBeUndefined();
  });
});
