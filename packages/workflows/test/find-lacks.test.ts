import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Abilities } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { findLacks, lacksOfGraph } from '../src/find-lacks.js';
import { choicesOf } from '../src/index.js';
import { loadFolder } from './folder.js';
import { resolve as resolved, workflowCalled } from './requests.js';

const data = resolve(import.meta.dirname, '../../../apps/simulator/src/data');

function abilitiesOf(version: string): Abilities {
  const text = gunzipSync(readFileSync(`${data}/object-info-${version}.json.gz`)).toString();
  const classes = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return Object.fromEntries(classes.map(([name, description]) => [name, choicesOf(name, description)]));
}

const lacksOf = (class_type: string, inputs: Record<string, unknown>, abilities: Abilities) =>
  lacksOfGraph({ '1': { class_type, inputs } }, abilities, { outputs: ['1'] });

it('finds a model that does not exist for the key, as if the instance did not have it', async () => {
  const workflows = await loadFolder();
  const workflow = workflowCalled(workflows, 'text2img');
  const abilities = abilitiesOf('0.33.0');
  const models = ['a.safetensors', 'b.safetensors'];
  const known = { ...abilities, CheckpointLoaderSimple: { ckpt_name: models } };
  const request = resolved('text2img', { prompt: 'a fox', checkpoint: 'a.safetensors' }, workflows);
  expect(findLacks(workflow, request, known)).toEqual([]);
  const missing = findLacks(workflow, { ...request, denied: ['a.safetensors'] }, known);
  expect(missing).toMatchObject([{ input: 'ckpt_name', value: 'a.safetensors', choices: ['b.safetensors'] }]);
});

describe.each(['0.3.64', '0.33.0'])('with all nodes of ComfyUI %s', (version) => {
  const abilities = abilitiesOf(version);
  const all = Object.entries(abilities).flatMap(([className, choices]) =>
    Object.entries(choices).map(([input, options]) => ({ className, input, options })),
  );

  it('finds nothing for any option that a node offers, in any notation, nor for a link', () => {
    for (const { className, input, options } of all) {
      for (const value of [...options, ['1', 0], { __value__: [...options] }, [...options]]) {
        expect(lacksOf(className, { [input]: value }, abilities), `${className}.${input}`).toEqual([]);
      }
    }
  });

  it('finds a model that no node of the kind lists, with the available ones', () => {
    for (const { className, input, options } of all) {
      const value = 'none-such.safetensors';
      const lack = { node: '1', className, input, value, choices: options, parameter: undefined };
      expect(lacksOf(className, { [input]: value }, abilities)).toEqual([lack]);
      expect(lacksOf(className, { [input]: { __value__: [...options, value] } }, abilities)).toEqual([lack]);
    }
  });

  it('finds a missing class, even if nothing needs its node', () => {
    const graph = {
      '1': { class_type: 'SaveImage', inputs: { images: ['2', 0] } },
      '2': { class_type: 'EmptyImage', inputs: {} },
      '3': { class_type: 'IPAdapterUnifiedLoader', inputs: {} },
    };
    expect(lacksOfGraph(graph, abilities, { outputs: ['1'] })).toEqual([
      { node: '3', className: 'IPAdapterUnifiedLoader', input: undefined },
    ]);
  });

  it('ignores options of a node that no output needs, because ComfyUI does not check it', () => {
    const loader = { class_type: 'UpscaleModelLoader', inputs: { model_name: 'none-such.pth' } };
    const graph = {
      '1': { class_type: 'SaveImage', inputs: { images: ['2', 0] } },
      '2': { class_type: 'EmptyImage', inputs: {} },
      '3': loader,
    };
    expect(lacksOfGraph(graph, abilities, { outputs: ['1'] })).toEqual([]);
    expect(lacksOfGraph(graph, abilities, { outputs: ['1', '3'] })).toHaveLength(1);
  });
});

it.each([
  ['a number', { it: 3 }],
  ['nothing', {}],
  ['an object', { it: { a: 'b' } }],
  ['what a script may have put into an empty list', { none: 'my wildcard' }],
  ['an input that its class does not have', { control_after_generate: 'randomize' }],
])('leaves %s to ComfyUI', (_what, inputs) => {
  expect(lacksOf('Custom', inputs, { Custom: { it: ['a', 'b'], none: [] } })).toEqual([]);
});

describe('for several jobs of one workflow', () => {
  const abilities = Object.fromEntries(
    Object.entries(abilitiesOf('0.33.0')).filter(([name]) => name !== 'RepeatLatentBatch'),
  );
  const choices = abilities.KSampler?.sampler_name ?? [];

  it('finds what each job lacks', async () => {
    const workflows = await loadFolder();
    const workflow = workflowCalled(workflows, 'img2img');
    const checkpoint = abilities.CheckpointLoaderSimple?.ckpt_name?.[0] ?? '';
    const asked = { prompt: 'a fox', checkpoint, sampler: 'euler' };
    const lacksOf = (more: object) =>
      findLacks(workflow, resolved('img2img', { ...asked, ...more }, workflows), abilities);
    expect(choices).toContain('euler');
    expect(lacksOf({})).toEqual([]);
    expect(lacksOf({ sampler: 'none_such' })).toEqual([expect.objectContaining({ value: 'none_such' })]);
    expect(lacksOf({ checkpoint: 'none-such.ckpt' })).toEqual([expect.objectContaining({ value: 'none-such.ckpt' })]);
    expect(lacksOf({ count: 2 })).toEqual([expect.objectContaining({ className: 'RepeatLatentBatch' })]);
  });

  it('finds nothing once the instance has the checkpoint', async () => {
    const workflows = await loadFolder();
    const workflow = workflowCalled(workflows, 'img2img');
    const request = resolved('img2img', { prompt: 'a fox', checkpoint: 'late.ckpt' }, workflows);
    const later = { ...abilities, CheckpointLoaderSimple: { ckpt_name: ['late.ckpt'] } };
    expect(findLacks(workflow, request, abilities)).toHaveLength(1);
    expect(findLacks(workflow, request, later)).toEqual([]);
  });
});
