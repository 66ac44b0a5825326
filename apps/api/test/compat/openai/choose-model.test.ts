import { readFileSync } from 'node:fs';
import { FleetError } from '@comfy-fleet/contracts';
import { openUpload } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { chooseModel, findModel, modelsFor, type Use } from '../../../src/facades/openai/models.js';
import { anonymousCaller } from '../../../src/server/gate.js';

const REPOSITORY = new URL('../../../../../', import.meta.url);
const FIXTURES = 'packages/testing/test/graphs';

function served(name: string, folder: string) {
  const workflow = openUpload(name, readFileSync(new URL(`${folder}/${name}.json`, REPOSITORY), 'utf8'));
  return [name, { workflow, source: 'folder', hidesFile: false, published: undefined }] as const;
}

const all = new Map([
  ...['text2img', 'img2img'].map((name) => served(name, 'workflows')),
  ...['flux-dev', 'inpaint-mask', 'wan22-t2v', 'upscale-4x', 'titled', 'qwen-image-edit'].map((name) =>
    served(name, FIXTURES),
  ),
]);
const known = { served: all, isRegistryRead: true };
const modelsOf = (workflows?: readonly string[]) => modelsFor(known, { ...anonymousCaller, workflows });
const aliases = new Map([
  ['dall-e-3', 'flux-dev'],
  ['gpt-image-1', 'text2img@final'],
  ['painter', 'inpaint-mask'],
  ['broken', 'no-such'],
]);

function chosen(use: Use, asked: string | undefined, workflows?: readonly string[]) {
  const { workflow, lod } = chooseModel({ models: modelsOf(workflows), aliases }, use, asked);
  return lod === undefined ? workflow.name : `${workflow.name}@${lod}`;
}

function refusal(use: Use, asked: string | undefined, workflows?: readonly string[]): FleetError {
  try {
    chosen(use, asked, workflows);
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error('the model was accepted');
}

describe('the models of a key', () => {
  it('are the workflows that make pictures from a prompt and need no other inputs than pictures', () => {
    expect([...modelsOf().keys()]).toEqual(['flux-dev', 'img2img', 'inpaint-mask', 'qwen-image-edit', 'text2img']);
  });

  it('are only those that the key may run', () => {
    expect([...modelsOf(['*img']).keys()]).toEqual(['img2img', 'text2img']);
  });
});

describe('a model', () => {
  it('is a workflow, alone or with a level of detail', () => {
    expect(chosen('generations', 'flux-dev')).toBe('flux-dev');
    expect(chosen('generations', 'text2img@sketch')).toBe('text2img@sketch');
    expect(chosen('edits', 'inpaint-mask@direct_final')).toBe('inpaint-mask@direct_final');
  });

  it('can be named by an alias', () => {
    expect(chosen('generations', 'dall-e-3')).toBe('flux-dev');
    expect(chosen('generations', 'gpt-image-1')).toBe('text2img@final');
    expect(chosen('edits', 'painter')).toBe('inpaint-mask');
  });

  it('is the default workflow, with the level of the alias, when the workflow of the alias does not serve the use', () => {
    expect(chosen('edits', 'gpt-image-1')).toBe('img2img@final');
    expect(chosen('edits', 'dall-e-3')).toBe('img2img');
    expect(chosen('generations', 'painter')).toBe('text2img');
  });

  it("is the default when the request names none or one of OpenAI's models", () => {
    for (const model of [undefined, 'gpt-image-2', 'gpt-image-1-mini', 'chatgpt-image-latest', 'dall-e-2']) {
      expect([chosen('generations', model), chosen('edits', model)]).toEqual(['text2img', 'img2img']);
    }
  });

  it('is not found under any other name, and the error lists all models', () => {
    for (const model of [
      'gpt-4o',
      'broken',
      'text2img@best',
      'text2img@final@final',
      'wan22-t2v',
      'titled',
      '__proto__',
    ]) {
      const { code, detail, errors } = refusal('generations', model);
      expect([model, code, errors[0]?.pointer]).toEqual([model, 'workflow_not_found', '/model']);
      expect(detail).toContain('flux-dev, img2img, inpaint-mask, qwen-image-edit, text2img');
    }
  });

  it('is neither found nor listed when the key may not run it', () => {
    const { code, detail } = refusal('generations', 'flux-dev', ['text2img']);
    expect([code, detail.includes('img2img')]).toEqual(['workflow_not_found', false]);
    expect(refusal('generations', undefined, ['flux-dev']).code).toBe('workflow_not_found');
  });

  it('that does not serve the use is refused with a list of models that do', () => {
    expect(refusal('generations', 'img2img')).toMatchObject({ code: 'validation_failed' });
    expect(refusal('generations', 'img2img').detail).toContain('/v1/images/edits');
    expect(refusal('edits', 'text2img').detail).toContain('img2img, inpaint-mask, qwen-image-edit');
  });

  it('is found in the list by its name and by an alias', () => {
    const models = modelsOf();
    expect(findModel({ models, aliases }, 'text2img@mid').workflow.name).toBe('text2img');
    expect(findModel({ models, aliases }, 'dall-e-3').workflow.name).toBe('flux-dev');
    expect(() => findModel({ models, aliases }, 'gpt-image-2')).toThrow(FleetError);
  });
});
