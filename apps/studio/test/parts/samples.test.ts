import { describe, expect, it } from 'vitest';
import type { Order } from '../../src/make/order.js';
import { SAMPLES } from '../../src/make/samples.js';

const URL = 'http://127.0.0.1:3000';
const PICTURE: Order = {
  workflow: 'text2img',
  lod: 'sketch',
  inputs: { prompt: 'a cat\'s "tail"\nand more', seed: '18446744073709551615' },
  files: {},
};
const RUN: Order = {
  workflow: 'my edit',
  lod: undefined,
  inputs: { tiled: true, steps: 8 },
  files: { image: { from: 'job', job: 'j', index: 1, name: 'j_2.png', href: '' } },
};

describe('code that places an order', () => {
  it('in curl survives the shell', () => {
    expect(SAMPLES.curl(PICTURE, URL)).toContain(
      `-d '{"prompt":"a cat'\\''s \\"tail\\"\\nand more","seed":"18446744073709551615","lod":"sketch"}'`,
    );
  });

  it('in curl sends files as a form', () => {
    const file = new File(['x'], 'cat.png', { type: 'image/png' });
    const order: Order = {
      workflow: 'img2img',
      lod: 'mid',
      inputs: { prompt: 'a cat' },
      files: { image: { from: 'disk', file } },
    };
    expect(SAMPLES.curl(order, URL)).toContain("-F 'image=@cat.png' \\\n  -F 'prompt=a cat' \\\n  -F 'lod=mid'");
    expect(SAMPLES.Python(order, URL)).toContain('image=Path("cat.png")');
    expect(SAMPLES.TypeScript(order, URL)).toContain('"image": await openAsBlob("cat.png")');
  });

  it('prints whole addresses of what was made', () => {
    expect(SAMPLES.TypeScript(PICTURE, URL)).toContain('output.href');
    expect(SAMPLES.Python(PICTURE, URL)).toContain('output.href');
  });

  it('names outputs of jobs, and escapes the name of the workflow', () => {
    expect(SAMPLES.curl(RUN, URL)).toContain(`${URL}/workflows/my%20edit`);
    expect(SAMPLES.TypeScript(RUN, URL)).toContain('"image": "job:j/1"');
    expect(SAMPLES.Python(RUN, URL)).toContain('"tiled": True');
  });
});
