import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { provideRedis } from '../redis-provision.mjs';
import { redisLaunch } from '../redis-server.mjs';
import { pathOfTest } from './path-of-test.js';

const { addDebian, file, log, program, provider, said } = pathOfTest();

const version = (text: string) => `echo "Redis server v=${text} sha=0 malloc=libc bits=64 build=0"`;

const provide = (means: Partial<Parameters<typeof provideRedis>[0]> = {}) =>
  provideRedis({ ...provider(), isRoot: false, usualPlaces: [], mayUseDocker: true, ...means });

describe('finding Redis', () => {
  it('takes redis-server from the PATH', async () => {
    const path = await program('redis-server', version('8.0.2'));
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('takes valkey-server when there is no redis-server', async () => {
    const path = await program('valkey-server', 'echo "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc bits=64"');
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('passes over one that is too old', async () => {
    await program('redis-server', version('5.0.7'));
    const path = await program('valkey-server', version('7.2.5'));
    expect(await provide()).toEqual({ kind: 'binary', path });
  });

  it('says which one is too old if there is no other', async () => {
    const path = await program('redis-server', version('5.0.7'));
    await expect(provide()).rejects.toThrow('There is no Redis 6.2 or newer here');
    expect(said).toEqual([`${path} is version 5.0.7; 6.2 or newer is needed.`]);
  });

  it('installs it with apt-get where that is allowed', async () => {
    const path = file('redis-server');
    const install = `if [ "$1" = install ]; then printf '#!/bin/sh\\necho v=8.0.2\\n' > ${path}; /bin/chmod +x ${path}; fi`;
    await program('apt-get', `echo "$DEBIAN_FRONTEND $@" >> ${file('log')}\n${install}`);
    expect(await provide({ isRoot: true })).toEqual({ kind: 'binary', path });
    expect(await log()).toEqual([
      'noninteractive update -q',
      'noninteractive install -y -q --no-install-recommends redis-server',
    ]);
  });

  describe('without being root', () => {
    const apt = () => file('packages/redis/bin/redis-server');

    beforeEach(addDebian);

    it('unpacks it from the packages of Debian, with the libraries that are not here', async () => {
      expect(await provide()).toEqual({ kind: 'binary', path: apt() });
      expect(await log()).toEqual(['update', 'download redis-server redis-tools', 'download libmissing1']);
      const { stdout } = await promisify(execFile)(apt());
      expect(stdout).toContain(`${file('packages')}/redis/files/usr/lib/x86_64-linux-gnu`);
      expect(await readdir(file('packages'))).toEqual(['redis']);
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
      expect((await log()).filter((line) => line.startsWith('download'))).toEqual([
        'download redis-server redis-tools',
        'download valkey-server valkey-tools',
      ]);
      expect(await readdir(file('packages'))).toEqual([]);
    });
  });

  it('installs it with brew on macOS', async () => {
    const path = file('redis-server');
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
    const docker = await program('docker', `echo "$@" >> ${file('log')}`);
    const { command, args } = await redisLaunch({ kind: 'docker', path: docker }, 7001, file('.'), '2gb');
    expect(command).toBe(docker);
    expect(args).toContain('127.0.0.1:7001:6379');
    expect(args).toContain(`${file('.')}:/data`);
    expect(args.slice(-settings.length)).toEqual(settings);
    // the container of a start before, whose docker was killed
    expect(await log()).toEqual([`rm --force ${args[args.indexOf('--name') + 1]}`]);
  });
});
