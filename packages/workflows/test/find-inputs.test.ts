import { describe, expect, it } from 'vitest';
import { catalogueOf, describeChanged, describeFixture, foundIn, schemaOf } from './describe.js';

const wired = (places: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(places).map(([name, place]) => [name, `${place} (wiring)`]));

describe('inputs by class and wiring', () => {
  it('finds only the picture of an upscale without a sampler', async () => {
    const found = await describeFixture('upscale');
    expect(foundIn(found)).toEqual(wired({ image: '1.image' }));
    expect(found.outputs).toEqual([{ name: 'image', node: '4', className: 'SaveImage' }]);
    expect(found.models).toEqual(['4x-UltraSharp.pth']);
  });

  it('finds what two samplers of a video agree on, and names the rest', async () => {
    const found = await describeFixture('wan-t2v');
    expect(foundIn(found)).toEqual(
      wired({
        prompt: '5.text',
        negative_prompt: '6.text',
        seed: '10.noise_seed',
        steps: '10.steps 11.steps',
        cfg: '10.cfg 11.cfg',
        sampler: '10.sampler_name 11.sampler_name',
        scheduler: '10.scheduler 11.scheduler',
        width: '7.width',
        height: '7.height',
        count: '7.batch_size',
        length: '7.length',
      }),
    );
    expect(found.unsettled).toEqual([
      expect.stringMatching(
        /^"High noise model" \(node 1, UNETLoader\) and "Low noise model" .* compete for checkpoint\./,
      ),
    ]);
    expect(found.outputs).toEqual([{ name: 'video', node: '14', className: 'SaveVideo' }]);
  });

  it('finds tags, lyrics and seconds of a song, which has neither prompt nor size', async () => {
    const found = await describeFixture('ace-step', await catalogueOf('0.33.0'));
    expect(foundIn(found)).toEqual(
      wired({
        seed: '6.seed',
        steps: '6.steps',
        cfg: '6.cfg',
        sampler: '6.sampler_name',
        scheduler: '6.scheduler',
        denoise: '6.denoise',
        checkpoint: '1.ckpt_name',
        tags: '2.tags',
        lyrics: '2.lyrics',
        seconds: '4.seconds',
      }),
    );
    expect(found.unsettled).toEqual([]);
    expect(found.outputs).toEqual([{ name: 'audio', node: '8', className: 'SaveAudioMP3' }]);
  });

  it('finds them in nodes of a subgraph', async () => {
    const found = await describeFixture('renumbered');
    expect(foundIn(found)).toMatchObject(
      wired({ prompt: '12:2.text', negative_prompt: '12:1.text', seed: '12:3.seed' }),
    );
  });

  it('names competing nodes until a title settles it', async () => {
    const open = await describeFixture('two-samplers');
    const rivals = '"First pass" (node 5, KSampler) and "Second pass" (node 11, KSampler)';
    expect(open.unsettled).toContain(
      `${rivals} compete for cfg. Give the node that is meant the title input:cfg (or another name), or name it in the inputs file.`,
    );
    const settled = await describeChanged('two-samplers', (graph) => {
      if (graph[11] !== undefined) graph[11]._meta.title = 'input:cfg';
    });
    expect(foundIn(settled).cfg).toBe('11.cfg (title)');
    expect(settled.unsettled.join()).not.toMatch(/compete for cfg/);
  });

  it('finds the seed of each of two samplers that were saved with different ones', async () => {
    const found = await describeFixture('two-samplers');
    expect(foundIn(found)).toMatchObject(wired({ seed: '5.seed', seed_2: '11.seed' }));
    expect(schemaOf(found, 'seed_2')).toMatchObject({ type: ['integer', 'string'], 'x-advanced': true });
    expect(found.unsettled.join()).not.toMatch(/compete for seed/);
  });

  it('finds one seed for two samplers that were saved with the same one', async () => {
    const found = await describeChanged('two-samplers', (graph) => {
      if (graph[11] !== undefined) graph[11].inputs.seed = graph[5]?.inputs.seed;
    });
    expect(foundIn(found)).toMatchObject(wired({ seed: '11.seed 5.seed' }));
    expect(foundIn(found)).not.toHaveProperty('seed_2');
  });

  it('leaves the other sampler as saved when somebody names the seed', async () => {
    const settled = await describeChanged('two-samplers', (graph) => {
      if (graph[11] !== undefined) graph[11]._meta.title = 'input:seed';
    });
    expect(foundIn(settled).seed).toBe('11.seed (title)');
    expect(foundIn(settled)).not.toHaveProperty('seed_2');
    expect(settled.unsettled.join()).not.toMatch(/compete for seed/);
  });

  it('distinguishes masks from pictures by their use, and names competing pictures', async () => {
    const masked = await describeChanged('upscale', (graph) => {
      graph[5] = { class_type: 'LoadImage', _meta: { title: 'Paint here' }, inputs: { image: 'm.png' } } as never;
      graph[6] = { class_type: 'SetLatentNoiseMask', _meta: { title: 'x' }, inputs: { mask: ['5', 1] } } as never;
      graph[7] = { class_type: 'SaveImage', _meta: { title: 'y' }, inputs: { images: ['6', 0] } } as never;
    });
    expect(foundIn(masked)).toEqual(wired({ image: '1.image', mask: '5.image' }));
    const two = await describeChanged('upscale', (graph) => {
      graph[5] = { class_type: 'LoadImage', _meta: { title: 'Style' }, inputs: { image: 'm.png' } } as never;
      graph[6] = { class_type: 'SaveImage', _meta: { title: 'y' }, inputs: { images: ['5', 0] } } as never;
    });
    expect(foundIn(two)).toEqual({});
    expect(two.unsettled[0]).toMatch(
      /^"Load Image" \(node 1, LoadImage\) and "Style" \(node 5, LoadImage\) compete for image/,
    );
  });

  it('follows the bindings file, also when a picture is not an input', async () => {
    const found = foundIn(await describeFixture('base-refiner'));
    expect(found).toMatchObject({ prompt: '3.text 5.text (bindingsFile)', seed: '8.noise_seed (wiring)' });
    const fixed = await describeChanged('upscale', () => undefined, { bindings: { image: [] } });
    expect(foundIn(fixed)).toEqual({});
  });
});

describe('inputs that somebody names', () => {
  it('prefers the inputs file to titles, and titles to the wiring', async () => {
    const found = await describeFixture('titles');
    expect(foundIn(found)).toMatchObject({
      ink: '2.strength_model (inputsFile)',
      subject: '3.text (inputsFile)',
      variation: '6.seed (title)',
      negative_prompt: '4.text (wiring)',
    });
    expect(Object.keys(foundIn(found))[0]).toBe('ink');
    expect(Object.keys(foundIn(found))).not.toEqual(expect.arrayContaining(['prompt', 'seed', 'lora_strength']));
    expect(found.description).toBe('A lighthouse in ink');
    expect(found.outputs.map(({ name, node }) => `${name} ${node}`)).toEqual(['lighthouse 8', 'draft 9']);
  });

  it('follows titles alone', async () => {
    const found = await describeChanged('titles', () => undefined);
    expect(foundIn(found)).toMatchObject({ lora_strength: '2.strength_model (title)', subject: '3.text (title)' });
    expect(found.outputs.map(({ name }) => name)).toEqual(['picture', 'draft']);
  });

  it.each([
    [
      'input:ink',
      /has several widgets \(lora_name, strength_model, strength_clip\): say which, as in the title input:ink\./,
    ],
    ['input:ink.model', /takes its model from "Load checkpoint" \(node 1, CheckpointLoaderSimple\): title that one\./],
    ['input:ink.colour', /has no widget "colour"\./],
    ['input:my ink', /no name that can be used/],
    ['input:subject.strength_model', /node 2, .* and .*node 3, .* compete for the input subject/],
  ])('says what is wrong with the title %s', async (title, fault) => {
    const { unsettled } = await describeChanged('titles', (graph) => {
      if (graph[2] !== undefined) graph[2]._meta.title = title;
    });
    expect(unsettled).toEqual([expect.stringMatching(fault)]);
  });

  it('selects the widgets with the usual names in a node with several', async () => {
    const sampler = await describeChanged('two-samplers', (graph) => {
      if (graph[11] !== undefined) graph[11]._meta.title = 'input:sampler';
    });
    expect(foundIn(sampler).sampler).toBe('11.sampler_name (title)');
    expect(sampler.unsettled.join()).not.toMatch(/compete for sampler/);
    const encoder = await describeChanged('sdxl-lora', (graph) => {
      if (graph[6] !== undefined) graph[6]._meta.title = 'input:prompt';
    });
    expect(foundIn(encoder).prompt).toBe('6.text_g 6.text_l (title)');
  });

  // The shape is that of ComfyUI_frontend's LinearData: inputs are [node id, widget, config], outputs node ids.
  it("reads App mode's inputs from the body of a prompt, including subgraphs", async () => {
    const found = await describeFixture('app-mode');
    expect(foundIn(found)).toMatchObject({
      prompt: '12:3.text (appMode)',
      strength_model: '2.strength_model (appMode)',
      cfg: '6.cfg (appMode)',
      negative_prompt: '12:4.text (wiring)',
    });
    expect(found.unsettled).toEqual(['App mode shows value of node 40, which the graph has not.']);
    expect(found.outputs.map(({ node }) => node)).toEqual(['9', '8']);
  });

  it('reads several widgets, options, hidden and advanced inputs from an inputs file', async () => {
    const both = [
      { node: '6', widget: 'text_g' },
      { node: '6', widget: 'text_l' },
    ];
    const inputs = {
      scene: { node: both, advanced: true },
      sampler: { node: '3', options: ['euler', 'heun'] },
      steps: { node: '3', hidden: true },
    };
    const found = await describeChanged('sdxl-lora', () => undefined, { inputsFile: { inputs } });
    expect(foundIn(found)).toMatchObject({ scene: '6.text_g 6.text_l (inputsFile)' });
    expect(Object.keys(foundIn(found))).not.toContain('steps');
    expect(Object.keys(foundIn(found))).not.toContain('prompt');
    expect(found.schema.properties).toMatchObject({
      scene: { 'x-advanced': true },
      sampler: { enum: ['euler', 'heun'] },
    });
  });

  it('reports a default that its input would refuse, with its node', async () => {
    const inputs = { steps: { node: '3', widget: 'steps', minimum: 200 } };
    const { notes } = await describeChanged('sdxl-lora', () => undefined, { inputsFile: { inputs } });
    expect(notes).toContainEqual({
      kind: 'odd_default',
      text: expect.stringMatching(/^The default of steps, \d+, is below its minimum 200\.$/),
      nodes: ['3'],
      widget: 'steps',
      input: 'steps',
    });
  });

  it('refuses an invalid inputs file', async () => {
    const broken = describeChanged('titles', () => undefined, { inputsFile: { inputs: { ink: { nodes: '2' } } } });
    await expect(broken).rejects.toThrow(/changed\.inputs\.json: "nodes" of inputs → ink is not a known key/);
    const { unsettled } = await describeChanged('titles', () => undefined, {
      inputsFile: { inputs: { ink: { node: 'Ink' } } },
    });
    expect(unsettled).toEqual(['no node has the title or id "Ink".']);
    const inputs = { a: { node: '3' }, b: { node: '3', widget: 'text' } };
    const twice = await describeChanged('titles', () => undefined, { inputsFile: { inputs } });
    expect(twice.unsettled).toEqual(['a and b are both in one place: only one can be obeyed.']);
  });
});
