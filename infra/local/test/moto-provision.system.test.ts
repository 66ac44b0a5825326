import { describe, expect, it } from 'vitest';
import { provideMoto } from '../moto-provision.mjs';
import { pathOfTest } from './path-of-test.js';

const { addDebian, file, log, program, provider } = pathOfTest();

const provide = (isRoot: boolean) => provideMoto({ ...provider(), isRoot, pythons: ['debian-python', 'python3'] });

describe('the S3 server of the tests', () => {
  it('is not installed where any Python has it', async () => {
    await program('debian-python', 'exit 1');
    await program('python3', 'exit 0');
    await program('apt-get', 'exit 100');
    await expect(provide(true)).resolves.toBeUndefined();
  });

  it('is installed with apt-get as root, with what it needs', async () => {
    await program('debian-python', `/bin/grep -q install ${file('log')}`);
    await program('apt-get', `echo "$*" >> ${file('log')}`);
    await provide(true);
    expect(await log()).toEqual(['update -q', 'install -y -q --no-install-recommends python3-moto python3-flask-cors']);
  });

  it('is unpacked without root, with all that it needs', async () => {
    await addDebian();
    await program('debian-python', '[ -d "$PYTHONPATH/moto" ]');
    await provide(false);
    expect(await log()).toEqual([
      'update',
      'download python3-moto python3-flask-cors',
      'download python3-boto3',
      'download python3-urllib3 python3-cffi',
    ]);
  });

  it('is asked for, with what to type, where it cannot be installed', async () => {
    await program('python3', 'exit 1');
    const words = 'On Debian type: sudo apt-get install -y python3-moto python3-flask-cors';
    await expect(provide(false)).rejects.toThrow(words);
    await program('apt-get', 'exit 0');
    await expect(provide(true)).rejects.toThrow(words);
    await program('apt-get', 'exit 100');
    await expect(provide(true)).rejects.toThrow('apt-get ended with exit code 100');
  });
});
