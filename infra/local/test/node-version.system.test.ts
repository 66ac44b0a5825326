import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const module = new URL('../node-version.mjs', import.meta.url).href;

const refuse = (version: string) => {
  const code = `import(${JSON.stringify(module)}).then((m) => { m.refuseOldNode('${version}'); console.log('fine'); })`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe('the check of the Node version', () => {
  it.each(['20.19.0', '20.20.2', '22.0.0', '24.11.0'])('lets %s pass', (version) => {
    expect(refuse(version)).toEqual({ status: 0, stdout: 'fine\n', stderr: '' });
  });

  it.each(['18.20.8', '20.18.3', '9.11.2'])('refuses %s with one clear line', (version) => {
    const line = `comfy-fleet needs Node 20.19 or newer; this is Node ${version}. Get one from https://nodejs.org\n`;
    expect(refuse(version)).toEqual({ status: 1, stdout: '', stderr: line });
  });
});
