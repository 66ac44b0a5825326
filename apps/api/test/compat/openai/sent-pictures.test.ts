import { readFileSync } from 'node:fs';
import { FleetError } from '@comfy-fleet/contracts';
import { openUpload } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { placePictures } from '../../../src/facades/openai/sent-pictures.js';
import type { SentFile } from '../../../src/server/messages.js';

const REPOSITORY = new URL('../../../../../', import.meta.url);

function workflow(name: string, folder = 'packages/testing/test/graphs') {
  return openUpload(name, readFileSync(new URL(`${folder}/${name}.json`, REPOSITORY), 'utf8'));
}

/** ComfyUI's usual graph for inpainting: one node loads the picture, and its transparency is the mask. */
function maskedInOne() {
  const text = readFileSync(new URL('packages/testing/test/graphs/inpaint-mask.json', REPOSITORY), 'utf8');
  const graph = JSON.parse(text) as Record<string, { inputs: Record<string, unknown> }>;
  delete graph['21'];
  Object.assign(graph['26']?.inputs ?? {}, { mask: ['20', 1] });
  return openUpload('masked-in-one', JSON.stringify(graph));
}

function sent(field: string, more: Partial<SentFile['file']> = {}): SentFile {
  const file = {
    digest: '',
    name: '',
    kind: 'image',
    contentType: 'image/png',
    bytes: 1,
    width: 64,
    height: 64,
  } as const;
  return { field, filename: undefined, file: { ...file, ...more } };
}

function refused(...asked: Parameters<typeof placePictures>): string {
  try {
    placePictures(...asked);
  } catch (error) {
    if (error instanceof FleetError) return error.detail;
    throw error;
  }
  throw new Error('the files were accepted');
}

describe('the pictures of an edit', () => {
  it('go to the inputs of the workflow in order, however the form fields are named', () => {
    for (const names of [
      ['image', 'image'],
      ['image[]', 'image[]'],
      ['image[0]', 'image[1]'],
    ]) {
      const files = names.map((name, index) => sent(name, { digest: `${index}` }));
      const { pictures, maskAs } = placePictures(workflow('qwen-image-edit'), files);
      expect(pictures.map(({ input, file }) => [input, file.file.digest])).toEqual([
        ['person', '0'],
        ['garment', '1'],
      ]);
      expect(maskAs).toBeUndefined();
    }
  });

  it('are refused when there are too many, too few, none, or files of another kind', () => {
    const [qwen, img2img] = [workflow('qwen-image-edit'), workflow('img2img', 'workflows')];
    expect(refused(img2img, [sent('image[]'), sent('image[]')])).toBe(
      'image has 2 files, but img2img takes at most 1.',
    );
    expect(refused(qwen, [sent('image')])).toContain(
      'needs 2 files for qwen-image-edit: person, garment, in this order',
    );
    expect(refused(qwen, [])).toBe('image is required.');
    expect(refused(img2img, [sent('photo')])).toContain('photo is an unknown file field');
    expect(refused(img2img, [sent('image', { kind: 'video' })])).toContain('must be a PNG, WebP or JPEG');
  });

  it('may include a mask if the workflow has an input for it or reads the transparency of the picture', () => {
    const files = [sent('image'), sent('mask')];
    expect(placePictures(workflow('inpaint-mask'), files).maskAs).toBe('input');
    expect(placePictures(maskedInOne(), files).maskAs).toBe('transparency');
    expect(refused(workflow('img2img', 'workflows'), files)).toContain('mask cannot be used by img2img');
  });

  it('may include only one mask, and only of their size', () => {
    const inpaint = workflow('inpaint-mask');
    expect(refused(inpaint, [sent('image'), sent('mask', { width: 32 })])).toContain('64×64; it has 32×64');
    expect(refused(inpaint, [sent('image'), sent('mask'), sent('mask')])).toContain('must be one file');
  });
});
