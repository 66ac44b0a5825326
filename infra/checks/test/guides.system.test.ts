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
/** Where the pages say that the API is. */
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
/** `npm run cli -- …` without installing and building once more, which other tests would not survive. */
const NPM = `npm() { shift 3; node ${CLI} "$@"; }`;

/** Pastes the blocks into one bash, one after the other, and gives what each printed and its exit code. */
async function paste(blocks: readonly string[], before: (block: string) => void = () => {}) {
  const env = { ...process.env, COMFY_FLEET_URL: stack.url };
  const shell = spawn('bash', ['--norc', '--noprofile'], { cwd: dir, env, stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.write(`${NPM}\n`);
  const closed = once(shell, 'close');
  let said = '';
  shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const results: { readonly code: number; readonly output: string }[] = [];
  for (const block of blocks) {
    before(block);
    shell.stdin.write(`${block}\nprintf '\\n${END} %s\\n' $?\n`);
    const [all, output = '', code] = await until('the block ends', () => {
      if (shell.exitCode !== null) throw new Error(`the shell ended in: ${block}`);
      return ENDED.exec(said);
    });
    said = said.slice(all.length);
    results.push({ code: Number(code), output });
  }
  shell.stdin.end();
  await closed;
  return results;
}

/** Pastes the blocks of a page, with the address at which the system is served here, and finds what the page shows otherwise. */
async function faultsOf(page: string): Promise<string[]> {
  const steps = stepsOf(page);
  expect(steps[0]?.commands).toContain(`API=${SHOWN}`);
  const results = await paste(
    steps.map(({ commands }) => commands.replace(SHOWN, stack.url)),
    // What is to be canceled does not end before.
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

it('succeeds with every block of the API guide that is pasted into a shell, and prints what the guide shows', async () => {
  expect(await faultsOf(guide)).toEqual([]);
});

it('makes the first picture as README says', async () => {
  const [, section = ''] = /\n## First picture\n([\s\S]*?)\n## /.exec(await textOf('README.md')) ?? [];
  expect(await faultsOf(section)).toEqual([]);
});

it('calls the receiver that the guide to webhooks shows, which takes what is signed and nothing else', async () => {
  const page = await textOf('docs/webhooks.md');
  const [, program = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  const [, secret = ''] = /"secret": "(\w+[^"]*)"/.exec(page) ?? [];
  const port = await freePort();
  await writeFile(join(dir, 'receiver.mjs'), program.replace('listen(4000', `listen(${port}`));
  const env = { SECRET: secret };
  const receiver = spawn(process.execPath, ['receiver.mjs'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void receiver.kill());
  let heard = '';
  receiver.stdout.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
  });
  const forged = () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' }).catch(() => undefined);
  expect((await until('the receiver listens', forged)).status).toBe(401);

  await stack.startDispatcher();
  const request = stepsOf(page)[0]?.commands ?? '';
  const [answer] = await paste([request.replace('$API', stack.url).replace(':4000', `:${port}`)]);
  const { id } = JSON.parse(answer?.output ?? '') as { id: string };
  await until('the receiver hears', () => heard.includes(`job.succeeded ${id} /images/${id}_1.png`));
});

it('makes the pictures of the page on clients, in a shell, in Node and in Python', async () => {
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
