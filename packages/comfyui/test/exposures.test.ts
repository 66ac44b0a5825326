import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exposuresOf } from '../src/index.js';

const SEEN = { output: '/o', input: '/i', temp: '/t' };
const ELSEWHERE = 'http://gpu.example:8188';

describe('exposures of an instance', () => {
  it.each(['0.28.0', 'v0.33.0', '1.0'])(
    'is nothing of a ComfyUI %s elsewhere whose folders are cleaned up',
    async (version) => {
      expect(await exposuresOf({ url: ELSEWHERE, version, folders: SEEN })).toEqual([]);
    },
  );

  it.each(['0.3.64', '0.27.1', undefined, 'nightly'])('include that ComfyUI %s opens any path', async (version) => {
    expect(await exposuresOf({ url: ELSEWHERE, version, folders: SEEN })).toEqual([
      { what: expect.stringMatching(/^it is ComfyUI .* outside its folders$/), fix: 'update it to 0.28 or newer' },
    ]);
  });

  it('include folders that nobody cleans up, with their settings', async () => {
    const [found] = await exposuresOf({ url: ELSEWHERE, version: '0.33.0', folders: { ...SEEN, temp: undefined } });
    expect(found).toEqual({
      what: 'nobody deletes the files of ended jobs in its folders (temp)',
      fix: 'set COMFYUI_TEMP_DIRS for its worker',
    });
  });

  it.runIf(process.platform === 'linux')('is a process of our own user on this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const exposures = () => exposuresOf({ url, version: '0.33.0', folders: SEEN });
    expect(await exposures()).toEqual([expect.objectContaining({ fix: 'run it as another user' })]);
    server.close();
    await once(server, 'close');
    expect(await exposures()).toEqual([]);
  });
});
