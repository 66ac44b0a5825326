import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Simulator, startSimulator, startStack, type TestStack, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { textOf } from './support/files.js';
import { differs, stepsOf } from './support/guide.js';

const guide = await textOf('docs/api.md');
/** The address of the API in the pages. */
const SHOWN = 'http://127.0.0.1:3000';

let dir: string;
let simulator: Simulator;
let stack: TestStack;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-guides-'));
  simulator = await startSimulator({ stepMs: 2, modelLoadMs: 10, previewMethod: 'none' });
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { WEBHOOK_ALLOW: '127.0.0.0/8' } });
  await stack.startWorker('local', [simulator.url]);
});
afterAll(async () => {
  await stack.close();
  await simulator.close();
  await rm(dir, { recursive: true, force: true });
});

const END = '---- end of a block';
const ENDED = new RegExp(String.raw`^([\s\S]*?)\n${END} (\d+)\n`);

const CLI = fileURLToPath(new URL('../../../apps/cli/dist/main.js', import.meta.url));
/** Runs `npm run cli -- …` without another installation and build, which would break concurrent tests. */
const NPM = `npm() { shift 3; node ${CLI} "$@"; }`;

/** Pastes the blocks one after the other into one bash, and returns the output and exit code of each. */
async function paste(blocks: readonly string[], before: (block: string) => void = () => {}) {
  const env = { ...process.env, COMFY_FLEET_URL: stack.url };
  const shell = spawn('bash', ['--norc', '--noprofile'], { cwd: dir, env, stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.write(`${NPM}\n`);
  const closed = once(shell, 'close');
  let printed = '';
  shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
  });
  const results: { readonly code: number; readonly output: string }[] = [];
  for (const block of blocks) {
    before(block);
    shell.stdin.write(`${block}\nprintf '\\n${END} %s\\n' $?\n`);
    const [all, output = '', code] = await until('the block ends', () => {
      if (shell.exitCode !== null) throw new Error(`the shell ended in: ${block}`);
      return ENDED.exec(printed);
    });
    printed = printed.slice(all.length);
    results.push({ code: Number(code), output });
  }
  shell.stdin.end();
  await closed;
  return results;
}

/** Pastes the blocks of a page, with the test's address of the API, and returns differences from the output in the page. */
async function faultsOf(page: string): Promise<string[]> {
  const steps = stepsOf(page);
  expect(steps[0]?.commands).toContain(`API=${SHOWN}`);
  const results = await paste(
    steps.map(({ commands }) => commands.replace(SHOWN, stack.url)),
    // A job must not end before it is canceled.
    (block) => {
      simulator.faults.remove();
      if (block.includes('urls.cancel')) simulator.faults.add({ kind: 'hang' });
    },
  );
  return steps.flatMap((step, n) => {
    const { code, output } = results[n] ?? { code: -1, output: '' };
    const fault = code === 0 ? differs(step, output) : `exit code ${code}`;
    return fault === undefined ? [] : [`line ${step.line}: ${fault}\n${output.slice(0, 2000)}`];
  });
}

it('every block of the API guide succeeds in a shell and prints what the guide shows', async () => {
  expect(await faultsOf(guide)).toEqual([]);
});

it('the first picture succeeds as README describes', async () => {
  const [, section = ''] = /\n## First picture\n([\s\S]*?)\n## /.exec(await textOf('README.md')) ?? [];
  expect(await faultsOf(section)).toEqual([]);
});

it('the receiver in the webhook guide accepts only signed webhooks', async () => {
  const page = await textOf('docs/webhooks.md');
  const [, program = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  const [, secret = ''] = /"secret": "(\w+[^"]*)"/.exec(page) ?? [];
  const port = await freePort();
  await writeFile(join(dir, 'receiver.mjs'), program.replace('listen(4000', `listen(${port}`));
  const env = { SECRET: secret };
  const receiver = spawn(process.execPath, ['receiver.mjs'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void receiver.kill());
  let output = '';
  receiver.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const forged = () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' }).catch(() => undefined);
  expect((await until('the receiver listens', forged)).status).toBe(401);

  await stack.startDispatcher();
  const request = stepsOf(page)[0]?.commands ?? '';
  const [answer] = await paste([request.replace('$API', stack.url).replace(':4000', `:${port}`)]);
  const { id } = JSON.parse(answer?.output ?? '') as { id: string };
  await until('the receiver gets the webhook', () => output.includes(`job.succeeded ${id} /images/${id}_1.png`));
});

it('the examples of the clients page make pictures in a shell, in Node and in Python', async () => {
  const page = await textOf('docs/clients.md');
  const [shell = '', node = '', python = ''] = ['sh', 'js', 'python'].map((language) =>
    (new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '').replace(SHOWN, stack.url),
  );
  const picture = join(dir, 'lighthouse.png');
  const makesIt = async (command: string) => {
    const [result] = await paste([command]);
    expect(result?.code, result?.output).toBe(0);
    expect((await readFile(picture)).subarray(1, 4).toString()).toBe('PNG');
    await rm(picture);
  };
  await makesIt(shell);

  await mkdir(join(dir, 'node_modules/@comfy-fleet'), { recursive: true });
  await symlink(
    fileURLToPath(new URL('../../../packages/client', import.meta.url)),
    join(dir, 'node_modules/@comfy-fleet/client'),
  );
  await writeFile(join(dir, 'lighthouse.mjs'), node);
  await makesIt('node lighthouse.mjs');

  if (spawnSync('python3', ['--version']).status !== 0) return;
  await symlink(
    fileURLToPath(new URL('../../../packages/client-python/comfy_fleet', import.meta.url)),
    join(dir, 'comfy_fleet'),
  );
  await writeFile(join(dir, 'lighthouse.py'), python);
  await makesIt('python3 -B lighthouse.py');
});
