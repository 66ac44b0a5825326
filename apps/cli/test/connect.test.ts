import { once } from 'node:events';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findAccess, settle } from '../src/callers/connect.js';
import { run } from './run.js';

const FLAT = { url: 'http://flat', key: 'flat-key' };
const WALL = { url: 'http://wall', key: 'wall-key' };
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'comfy-fleet-cli-'));
  await mkdir(join(home, 'comfy-fleet'));
  const profiles = { default: 'flat', profiles: { flat: FLAT, wall: WALL } };
  await writeFile(join(home, 'comfy-fleet', 'config.json'), JSON.stringify(profiles));
});
afterAll(() => removeFolder(home));

const find = (options: Parameters<typeof findAccess>[0], env: Record<string, string> = {}) =>
  findAccess(options, { XDG_CONFIG_HOME: home, ...env });

describe('the address and key of the API', () => {
  it('come from the options, then their profile, the environment, and the default profile', async () => {
    const env = { COMFY_FLEET_URL: 'http://env', COMFY_FLEET_KEY: 'env-key' };
    expect(await find({})).toEqual(FLAT);
    expect(await find({}, { COMFY_FLEET_PROFILE: 'wall' })).toEqual(WALL);
    expect(await find({}, env)).toEqual({ url: 'http://env', key: 'env-key' });
    expect(await find({ profile: 'wall' }, env)).toEqual(WALL);
    expect(await find({ profile: 'wall', url: 'http://here', key: 'mine' }, env)).toEqual({
      url: 'http://here',
      key: 'mine',
    });
  });

  it('are undefined without any of them', async () => {
    expect(await findAccess({}, { XDG_CONFIG_HOME: join(home, 'none'), COMFY_FLEET_URL: '' })).toEqual({});
  });

  it('fail with the names of existing profiles if the named one is unknown', async () => {
    await expect(find({ profile: 'hall' })).rejects.toThrow(
      /no profile hall in .*, did you mean "wall"\? Available: flat, wall\.$/,
    );
  });

  it('fail with what is wrong with the profiles', async () => {
    const broken = join(home, 'broken');
    await mkdir(join(broken, 'comfy-fleet'), { recursive: true });
    await writeFile(join(broken, 'comfy-fleet', 'config.json'), '{');
    await expect(findAccess({}, { XDG_CONFIG_HOME: broken })).rejects.toThrow('cannot be read');
  });
});

it('never sends a key to another address than its own', () => {
  expect(settle([{ url: 'http://a' }, { url: 'http://b', key: 'b' }])).toEqual({ url: 'http://a' });
  expect(settle([{ url: 'http://a' }, { key: 'any' }])).toEqual({ url: 'http://a', key: 'any' });
  expect(settle([{ key: 'any' }, { url: 'http://b', key: 'b' }])).toEqual({ url: 'http://b', key: 'any' });
  expect(settle([{ url: 'http://b' }, { url: 'http://b', key: 'b' }])).toEqual({ url: 'http://b', key: 'b' });
});

describe('an API on this machine', () => {
  /** Accepts connections and closes them when a request has come; resolves to its port and the paths of the requests. */
  async function startHangUp(): Promise<{ port: number; paths: string[] }> {
    const paths: string[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (chunk) => {
        paths.push(chunk.toString().split(' ')[1] ?? '');
        socket.destroy();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return { port: (server.address() as { port: number }).port, paths };
  }

  it('is looked for at the PORT of the settings, and the command ends soon if it does not answer', async () => {
    const { port, paths } = await startHangUp();
    const { code, stderr } = await run(['jobs'], { PORT: `${port}`, HOST: '0.0.0.0' });
    expect(code).toBe(4);
    expect(stderr).toContain(`http://127.0.0.1:${port} does not answer: `);
    expect(new Set(paths)).toEqual(new Set(['/livez'])); // the request itself would be retried for longer
  });
});
