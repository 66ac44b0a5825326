import { describe, expect, it } from 'vitest';
import { findProgram } from '../redis-binary.mjs';
import { provideTestTools, withUnpackedTools } from '../test-tools.mjs';
import { pathOfTest } from './path-of-test.js';

const { addDebian, file, log, program, provider } = pathOfTest();

const provide = (isRoot: boolean) => provideTestTools({ ...provider(), isRoot });

describe('the programs that the tests run', () => {
  it('are installed with apt-get in one go as root, and only those that are missing', async () => {
    await program('docker-compose', 'exit 0');
    const made = ['promtool', 'python3', 'chromium'].map(file).join(' ');
    await program('apt-get', `echo "$*" >> ${file('log')}; for p in ${made}; do echo > $p; /bin/chmod +x $p; done`);
    await provide(true);
    expect(await log()).toEqual(['update -q', 'install -y -q --no-install-recommends promtool python3 chromium']);
  });

  it('are not looked for further when all are here', async () => {
    for (const name of ['docker-compose', 'promtool', 'python3', 'chromium']) await program(name, 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(true)).resolves.toBeUndefined();
  });

  it('are unpacked one by one without root, where they are found then and later', async () => {
    await addDebian();
    await provide(false);
    expect(await log()).toEqual(['update', 'download docker-compose', 'update', 'download promtool']);
    const { env, packagesDir } = provider();
    const { PATH = '' } = withUnpackedTools(env, packagesDir);
    for (const name of ['docker-compose', 'promtool']) expect(findProgram(name, { PATH })).toBeDefined();
    await program('apt-get', 'exit 100');
    await expect(provide(false)).resolves.toBeUndefined();
  });

  it('are done without where only tests are skipped without them', async () => {
    for (const name of ['docker-compose', 'promtool']) await program(name, 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(false)).resolves.toBeUndefined();
  });

  it('are named, with what to type, where they cannot be installed', async () => {
    await program('docker-compose', 'exit 0');
    await program('apt-get', 'exit 100');
    const words = 'need promtool. On Debian type: sudo apt-get install -y promtool python3 chromium';
    await expect(provide(false)).rejects.toThrow(words);
    await expect(provide(true)).rejects.toThrow('apt-get ended with exit code 100');
  });
});
