import { describe, expect, it } from 'vitest';
import type { JobRequest } from '../../src/make/request.js';
import { SAMPLES } from '../../src/make/samples.js';

const URL = 'http://127.0.0.1:3000';
const PICTURE: JobRequest = {
  workflow: 'text2img',
  lod: 'sketch',
  inputs: { prompt: 'a cat\'s "tail"\nand more', seed: '18446744073709551615' },
  files: {},
};
const RUN: JobRequest = {
  workflow: 'my edit',
  lod: undefined,
  inputs: { tiled: true, steps: 8 },
  files: { image: { from: 'job', job: 'j', index: 1, name: 'j_2.png', href: '' } },
};

describe('sample code for a request', () => {
  it('is quoted for the shell in curl', () => {
    expect(SAMPLES.curl(PICTURE, URL)).toContain(
      `-d '{"prompt":"a cat'\\''s \\"tail\\"\\nand more","seed":"18446744073709551615","lod":"sketch"}'`,
    );
  });

  it('sends files as a form in curl', () => {
    const file = new File(['x'], 'cat.png', { type: 'image/png' });
    const request: JobRequest = {
      workflow: 'img2img',
      lod: 'mid',
      inputs: { prompt: '<3 cats' },
      files: { image: { from: 'disk', file } },
    };
    const fields = "--form-string 'prompt=<3 cats' \\\n  --form-string 'lod=mid'";
    expect(SAMPLES.curl(request, URL)).toContain(`-F 'image=@cat.png' \\\n  ${fields}`);
    expect(SAMPLES.Python(request, URL)).toContain('image=Path("cat.png")');
    expect(SAMPLES.TypeScript(request, URL)).toContain('"image": await openAsBlob("cat.png")');
  });

  it('prints the full addresses of the outputs', () => {
    expect(SAMPLES.TypeScript(PICTURE, URL)).toContain('output.href');
    expect(SAMPLES.Python(PICTURE, URL)).toContain('output.href');
  });

  it('refers to outputs of jobs, and escapes the workflow name', () => {
    expect(SAMPLES.curl(RUN, URL)).toContain(`${URL}/workflows/my%20edit`);
    expect(SAMPLES.TypeScript(RUN, URL)).toContain('"image": "job:j/1"');
    expect(SAMPLES.Python(RUN, URL)).toContain('"tiled": True');
  });
});
