import { execFile } from 'node:child_process';
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { provideRedis } from '../redis-provision.mjs';
import { redisLaunch } from '../redis-server.mjs';
import { createStack } from '../stack.mjs';

/** Programs of a Debian that has no Redis. */
const DEBIAN = fileURLToPath(new URL('./fixtures/debian', import.meta.url));

let bin: string;
let said: string[];

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'comfy-fleet-bin-'));
  said = [];
});

afterEach(() => rm(bin, { recursive: true, force: true }));

/** A program on the PATH of this test, which holds nothing else. */
async function program(name: string, script: string): Promise<string> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const version = (text: string) => `echo "Redis server v=${text} sha=0 malloc=libc bits=64 build=0"`;

const provide = (means: Partial<Parameters<typeof provideRedis>[0]> = {}) => {
  const print = { line: () => undefined, say: () => undefined, problem: () => undefined, progress: () => undefined };
  const { run } = createStack({ root: bin, print });
  const say = (text: string) => said.push(text);
  const packagesDir = join(bin, 'packages');
  const machine = { packagesDir, platform: 'linux', isRoot: false, usualPlaces: [], mayUseDocker: true } as const;
  return provideRedis({ env: { PATH: bin }, run, say, ...machine, ...means });
};

describe('finding Redis', () => {
  it('takes redis-server from the PATH', async () => {
    const path = await program('redis-server', version('8.0.2'));
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('takes valkey-server when there is no redis-server', async () => {
    const path = await program('valkey-server', 'echo "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc bits=64"');
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('passes over one that is too old, and says so', async () => {
    await program('redis-server', version('5.0.7'));
    const path = await program('valkey-server', version('7.2.5'));
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('installs it with apt-get where that is allowed', async () => {
    const path = join(bin, 'redis-server');
    const install = `if [ "$1" = install ]; then printf '#!/bin/sh\\necho v=8.0.2\\n' > ${path}; /bin/chmod +x ${path}; fi`;
    await program('apt-get', `echo "$DEBIAN_FRONTEND $@" >> ${bin}/log\n${install}`);
    expect(await provide({ isRoot: true })).toEqual({ kind: 'binary', path });
    expect((await readFile(join(bin, 'log'), 'utf8')).split('\n')).toEqual([
      'noninteractive update -q',
      'noninteractive install -y -q --no-install-recommends redis-server',
      '',
    ]);
  });

  describe('without being root', () => {
    const apt = () => join(bin, 'packages/redis/bin/redis-server');
    const asked = async () => (await readFile(join(bin, 'log'), 'utf8')).match(/^.+$/gm);

    beforeEach(() => cp(DEBIAN, bin, { recursive: true }));

    it('unpacks it from the packages of Debian, with the libraries that are not here', async () => {
      expect(await provide()).toEqual({ kind: 'binary', path: apt() });
      expect(await asked()).toEqual(['update', 'download redis-server redis-tools', 'download libmissing1']);
      const { stdout } = await promisify(execFile)(apt());
      expect(stdout).toContain(`${bin}/packages/redis/files/usr/lib/x86_64-linux-gnu`);
      expect(await readdir(join(bin, 'packages'))).toEqual(['redis']);
    });

    it('takes what was unpacked before', async () => {
      await provide();
      await program('apt-get', 'exit 1');
      expect(await provide()).toEqual({ kind: 'binary', path: apt() });
    });

    it('unpacks it before it takes Docker', async () => {
      await program('docker', 'exit 0');
      expect(await provide()).toEqual({ kind: 'binary', path: apt() });
    });

    it('asks for valkey where redis-server cannot be had, and leaves nothing behind', async () => {
      await program('dpkg-deb', 'exit 2');
      await expect(provide()).rejects.toThrow('dpkg ended with exit code 2');
      expect((await asked())?.filter((line) => line.startsWith('download'))).toEqual([
        'download redis-server redis-tools',
        'download valkey-server valkey-tools',
      ]);
      expect(await readdir(join(bin, 'packages'))).toEqual([]);
    });
  });

  it('installs it with brew on macOS', async () => {
    const path = join(bin, 'redis-server');
    await program(
      'brew',
      `[ "$*" = "install redis" ] && printf '#!/bin/sh\\necho v=8.0.2\\n' > ${path}; /bin/chmod +x ${path}`,
    );
    expect(await provide({ platform: 'darwin' })).toEqual({ kind: 'binary', path });
  });

  it('takes Docker when its engine answers', async () => {
    const path = await program('docker', 'exit 0');
    expect(await provide()).toEqual({ kind: 'docker', path });
  });

  it('does not take Docker when its engine is not running, or when the tests need a binary', async () => {
    await program('docker', 'exit 1');
    await expect(provide()).rejects.toThrow('There is no Redis 6.2 or newer here');
    await program('docker', 'exit 0');
    await expect(provide({ mayUseDocker: false })).rejects.toThrow('There is no Redis 6.2 or newer here');
  });

  it.each([
    ['linux', 'apt-get', 'Type: sudo apt-get update && sudo apt-get install -y redis-server'],
    ['linux', 'dnf', 'Type: sudo dnf install -y valkey'],
    ['linux', 'apk', 'Type: sudo apk add valkey'],
    ['linux', 'none', 'Type: install redis-server with your package manager'],
    ['darwin', 'none', 'type: brew install redis'],
  ] as const)('on %s with %s and no right to install says what to type', async (platform, tool, words) => {
    await program(tool, 'exit 1');
    await expect(provide({ platform })).rejects.toThrow(words);
  });

  it('says why the installation failed', async () => {
    await program('apt-get', 'exit 100');
    await expect(provide({ isRoot: true })).rejects.toThrow('apt-get ended with exit code 100');
  });
});

describe('the command that runs Redis', () => {
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction'];
  const settings = [...durable, '--hash-max-ziplist-value', '2048', '--maxmemory', '2gb'];

  it('in Docker publishes the port on this machine only and keeps the data in the folder', async () => {
    const docker = await program('docker', `echo "$@" >> ${bin}/log`);
    const { command, args } = await redisLaunch({ kind: 'docker', path: docker }, 7001, bin, '2gb');
    expect(command).toBe(docker);
    expect(args).toContain('127.0.0.1:7001:6379');
    expect(args).toContain(`${bin}:/data`);
    expect(args.slice(-settings.length)).toEqual(settings);
    // the container of a start before, whose docker was killed
    expect(await readFile(join(bin, 'log'), 'utf8')).toBe(`rm --force ${args[args.indexOf('--name') + 1]}\n`);
  });
});
