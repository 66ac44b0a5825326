import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { choicesOf, describeReplaced, readReplacements, withoutFileLists } from '../src/index.js';

type Described = { input: { required?: Record<string, unknown[]>; optional?: Record<string, unknown[]> } };
type Classes = Record<string, Described>;

const data = resolve(import.meta.dirname, '../../../apps/simulator/src/data');
const read = (version: string) =>
  JSON.parse(gunzipSync(readFileSync(`${data}/object-info-${version}.json.gz`)).toString()) as Classes;

/** Inputs of files or folders, whose lists change, or with options from the graph, in both versions. */
const OPEN = [
  'CustomCombo.choice',
  'Load3D.model_file',
  'Load3DAdvanced.model_file',
  'Load3DAnimation.model_file',
  'LoadAudio.audio',
  'LoadImage.image',
  'LoadImageDataSetFromFolder.folder',
  'LoadImageMask.image',
  'LoadImageOutput.image',
  'LoadImageSetFromFolderNode.folder',
  'LoadImageTextDataSetFromFolder.folder',
  'LoadImageTextSetFromFolderNode.folder',
  'LoadLatent.latent',
  'LoadTrainingDataset.folder_name',
  'LoadVideo.file',
  'LoadVideoDataSetFromFolder.folder',
  'LoadVideoTextDataSetFromFolder.folder',
];

function allChoices(classes: Classes): string[] {
  return Object.entries(classes).flatMap(([name, { input }]) =>
    Object.entries({ ...input.required, ...input.optional })
      .filter(([, [type]]) => Array.isArray(type) || type === 'COMBO')
      .map(([key]) => `${name}.${key}`),
  );
}

describe.each(['0.3.64', '0.33.0'])('of all nodes of ComfyUI %s', (version) => {
  const classes = read(version);
  const kept = Object.entries(classes).flatMap(([name, description]) =>
    Object.keys(choicesOf(name, description)).map((input) => `${name}.${input}`),
  );

  it('has every list of options except those where ComfyUI accepts more', () => {
    const unknown = allChoices(classes).filter((place) => !kept.includes(place));
    expect(unknown.sort()).toEqual(
      allChoices(classes)
        .filter((place) => OPEN.includes(place))
        .sort(),
    );
  });

  it('reads options in both forms, including an empty list', () => {
    expect(choicesOf('VAELoader', classes.VAELoader)).toEqual({ vae_name: ['pixel_space'] });
    expect(choicesOf('UpscaleModelLoader', classes.UpscaleModelLoader)).toEqual({ model_name: [] });
    expect(choicesOf('KSampler', classes.KSampler).sampler_name).toContain('euler');
  });

  it('describes LoadImage alike whatever was uploaded, and keeps everything else', () => {
    const more = structuredClone(classes);
    more.LoadImage?.input.required?.image?.splice(0, 1, ['example.png', 'mine.png']);
    const clean = (all: Classes) => Object.entries(all).map(([name, described]) => withoutFileLists(name, described));
    expect(clean(more)).toEqual(clean(classes));
    const changed = Object.keys(classes).filter((name) => withoutFileLists(name, classes[name]) !== classes[name]);
    expect(changed.sort()).toEqual(
      Object.keys(classes)
        .filter((name) => /^Load(Image(Mask|Output)?|Audio|Video|Latent|3D(Advanced|Animation)?)$/.test(name))
        .sort(),
    );
  });
});

describe('choicesOf', () => {
  const described = (...input: unknown[]) => ({ input: { required: { it: input } } });

  it.each([
    ['numbers', [[1, 2, 4], {}]],
    ['texts and numbers', [['auto', 2], {}]],
    ['pictures with texts', [[{ content: 'a', image: null }], {}]],
    ['what is fetched from elsewhere', ['COMBO', { options: [], remote: { route: '/models' } }]],
    ['no list at all', ['COMBO', {}]],
    ['a choice that brings inputs', ['COMFY_DYNAMICCOMBO_V3', { options: [{ key: 'a', inputs: {} }] }]],
    ['a list in which our uploads are', [['a.png', `${'0a'.repeat(32)}.png`], {}]],
  ])('leaves %s to ComfyUI', (_what, input) => {
    expect(choicesOf('Custom', described(...input))).toEqual({});
  });

  it('still recognises a list of uploads when the uploads are removed from it', () => {
    const clean = withoutFileLists('Custom', described([`${'0a'.repeat(32)}.png`], { tooltip: 'which' }));
    expect(clean).toEqual(described([], { tooltip: 'which', file_upload: true }));
    expect(choicesOf('Custom', clean)).toEqual({});
  });

  it.each([undefined, null, 3, {}, { input: null }, { input: { required: [], optional: { a: 3 } } }])(
    'asks for nothing in %s',
    (description) => {
      expect(choicesOf('Custom', description)).toEqual({});
      expect(withoutFileLists('Custom', description)).toBe(description);
    },
  );
});

describe('a class that ComfyUI replaces', () => {
  const classes = read('0.33.0');

  it('has the options of its successor under its own names', () => {
    const table = readReplacements({
      T2IAdapterLoader: [
        {
          new_node_id: 'ControlNetLoader',
          input_mapping: [
            { new_id: 'control_net_name', old_id: 't2i_adapter_name' },
            { new_id: 'mode', set_value: 'all' },
          ],
        },
      ],
      Old: [{ new_node_id: 'VAELoader', input_mapping: null }],
      Grows: [{ new_node_id: 'BatchImagesNode', input_mapping: [{ new_id: 'images.image0', old_id: 'image1' }] }],
      Nonsense: [{}],
      Worse: 3,
    });
    expect([...table.keys()]).toEqual(['T2IAdapterLoader', 'Old', 'Grows']);
    const choices = (name: string) => {
      const replacement = table.get(name);
      return replacement && choicesOf(name, describeReplaced(replacement, classes[replacement.className]));
    };
    expect(choices('T2IAdapterLoader')).toEqual({ t2i_adapter_name: [] });
    expect(choices('Old')).toEqual({ vae_name: ['pixel_space'] });
    expect(choices('Grows')).toEqual({});
  });
});
