import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { faultsOf } from './folder.js';

describe('a workflow that cannot be bound', () => {
  it.each([
    [
      'two samplers lead to the picture',
      'two-samplers',
      '"First pass" (node 5, KSampler) and "Second pass" (node 11, KSampler) compete for sampler. ' +
        'Say it in text2img.bindings.json beside it, by title or id: {"sampler":"First pass"}',
    ],
    [
      'a base and a refiner come without a bindings file',
      'base-refiner',
      '"Base" (node 8, KSamplerAdvanced) and "Refiner" (node 9, KSamplerAdvanced) compete for sampler. ' +
        'Say it in text2img.bindings.json beside it, by title or id: {"sampler":"Base"}',
    ],
    [
      'two texts are combined into one prompt',
      'two-encoders',
      '"Prompt" (node 2, CLIPTextEncode) and "Style" (node 8, CLIPTextEncode) compete for prompt. ' +
        'Say it in text2img.bindings.json beside it, by title or id: {"prompt":"Prompt"}',
    ],
    [
      "it is in the format of ComfyUI's editor",
      'ui-format',
      'is saved in the format of ComfyUI\'s editor ("nodes" and "links"), which ComfyUI\'s API does not take: ' +
        'open the workflow in ComfyUI, choose Workflow → Export (API), and save that file here',
    ],
    [
      'a link leads nowhere',
      'dangling',
      '"Sampler" (node 5, KSampler) takes its negative from node 33, which is not in the file',
    ],
    [
      'nodes wait for each other',
      'circle',
      'has nodes that wait for each other in a circle: ' +
        '"Math A" (node 40, SimpleMath+) ← "Math B" (node 41, SimpleMath+)',
    ],
    [
      'it only previews',
      'preview-only',
      'has no SaveImage node; "Preview Image" (node 7, PreviewImage) shows pictures without keeping them: add one',
    ],
    [
      'it has no sampler',
      'no-sampler',
      'no sampler (KSampler, KSamplerAdvanced, SamplerCustom, SamplerCustomAdvanced or a node wired like one) ' +
        'leads to "Save Image" (node 2, SaveImage): connect one',
    ],
    [
      'a value is computed out of several',
      'computed-steps',
      'steps of "Sampler" (node 5, KSampler) is made by "Some steps" (node 40, RandomBetween), and it cannot be told ' +
        "which of that node's inputs is the steps. Say it in text2img.bindings.json beside it, by title or id: " +
        '{"steps":{"node":"40","input":"low"}} ([] in its place leaves it as it is)',
    ],
    [
      'the prompt comes from a node of unknown kind',
      'unknown-encoder',
      'following the wires from the sampler to the text of the prompt ends at "Wildcards" (node 2, WildcardEncode), ' +
        'which is not known to hold one. Say it in text2img.bindings.json beside it, by title or id: {"prompt":"<title or id>"}',
    ],
    [
      'one node gives both width and height',
      'one-side',
      'width and height both come from value of "Side" (node 20, PrimitiveInt): give each a node of its own',
    ],
  ])('is refused when %s, with the sentence that helps', async (_when, fixture, sentence) => {
    expect(await faultsOf({ 'text2img.json': { fixture } })).toEqual([`text2img.json: ${sentence}`]);
  });

  it('is refused with every error at once when several parameters have no place or two', async () => {
    const bindings = { text: '{"sampler": "First pass", "cfg": "Third pass", "seed": "First pas", "scheduler": "10"}' };
    expect(
      await faultsOf({ 'text2img.json': { fixture: 'two-samplers' }, 'text2img.bindings.json': bindings }),
    ).toEqual([
      'text2img.bindings.json: no node has the title or id "First pas", did you mean "First pass"?',
      'text2img.bindings.json: no node has the title or id "Third pass"',
      'text2img.bindings.json: "Upscale Latent By" (node 10, LatentUpscaleBy) has no such input for scheduler ' +
        '(its inputs: upscale_method, scale_by, samples)',
    ]);
  });

  it('is refused when a title in the bindings file belongs to two nodes', async () => {
    const bindings = { text: '{"prompt": "CLIP Text Encode (Prompt)"}' };
    expect(await faultsOf({ 'text2img.json': { fixture: 'renumbered' }, 'text2img.bindings.json': bindings })).toEqual([
      'text2img.bindings.json: the title "CLIP Text Encode (Prompt)" belongs to the nodes 12:1 and 12:2: write the id',
    ]);
  });

  it('is refused when its bindings file leaves no place for the prompt', async () => {
    const bindings = { text: '{"prompt": []}' };
    expect(await faultsOf({ 'text2img.json': { fixture: 'batch' }, 'text2img.bindings.json': bindings })).toEqual([
      'text2img.json: no text encoder leads to "Sampler" (node 5, KSampler), so the prompt has no place. ' +
        'Say it in text2img.bindings.json beside it, by title or id: {"prompt":"<title or id>"}',
    ]);
  });

  it('is refused when the bindings file has unknown keys or values, naming the nearest key', async () => {
    const bindings = { text: '{"smapler": "5", "output": 7, "steps": [5]}' };
    expect(await faultsOf({ 'text2img.json': { fixture: 'batch' }, 'text2img.bindings.json': bindings })).toEqual([
      expect.stringContaining('text2img.bindings.json: "smapler" is not a known key, did you mean "sampler"? (known: '),
      'text2img.bindings.json: "output" must be the title or id of a node',
      'text2img.bindings.json: "steps" must be the title or id of a node, {"node": …, "input": …}, or a list of these',
    ]);
  });

  it('is refused when a default number is a string', async () => {
    const text = (await readFile(new URL('./fixtures/batch.json', import.meta.url), 'utf8')).replace(
      '"steps": 20',
      '"steps": "20"',
    );
    expect(await faultsOf({ 'text2img.json': { text } })).toEqual([
      'text2img.json: steps of "Sampler" (node 5, KSampler) is "20": write a number',
    ]);
  });

  it.each([
    ['a list', '[]', 'is not a workflow: '],
    ['empty', '{}', 'has no nodes: '],
    ['the body of POST /prompt', '{"prompt": {"1": {}}}', '"1" is not a node with class_type and inputs, '],
    ['other JSON', '{"name": "a", "version": "1", "files": []}', '"name" is not a node with class_type and inputs, '],
    ['cut off', '{"1": ', 'is not valid JSON: '],
  ])('is refused when the file is %s', async (_what, text, beginning) => {
    const faults = await faultsOf({ 'text2img.json': { text } });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(`text2img.json: ${beginning}`);
  });
});
