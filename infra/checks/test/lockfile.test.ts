import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

describe('pnpm-lock.yaml', () => {
  it('contains no URL, so that every registry can serve it', async () => {
    const text = await readFile(new URL('../../../pnpm-lock.yaml', import.meta.url), 'utf8');
    expect(text).toContain('lockfileVersion');
    expect(text.match(/\w+:\/\/\S+/g)).toBeNull();
  });
});
