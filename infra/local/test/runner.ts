import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from '@comfy-fleet/testing';
import { processIdentity } from '../process-identity.mjs';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

/** A folder like the project's, with stand-ins for the apps. */
export async function makeRoot(): Promise<{ root: string; remove: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'comfy-fleet-runner-'));
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  for (const name of ['api', 'worker', 'dispatcher', 'simulator']) {
    await mkdir(join(root, 'apps', name, 'dist'), { recursive: true });
    const code = `import { standIn } from ${JSON.stringify(fixture('stand-in.mjs'))};\nstandIn('${name}');\n`;
    await writeFile(join(root, 'apps', name, 'dist/main.js'), code);
  }
  await mkdir(join(root, 'apps/cli/dist'), { recursive: true });
  const told = `import { appendFileSync } from 'node:fs';
if (process.env.STAND_IN_LOOKS) appendFileSync(process.env.STAND_IN_LOOKS, 'looked\\n');
console.log(process.env.STAND_IN_LOOK ?? '');
`;
  await writeFile(join(root, 'apps/cli/dist/main.js'), told);
  return { root, remove: () => rm(root, { recursive: true, force: true }) };
}

export interface Runner {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  text(): string;
  lines(): string[];
  /** Waits until the text matches, and gives the match. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Waits until it has ended, and gives its exit code. */
  exit(): Promise<number | null>;
  /** What the stand-in of that name said its processes are, in each of its lives. */
  pids(name: string): [number, number][];
  /** The living processes that the stand-ins and Redis said they are. */
  living(): number[];
}

/** Starts the runner on `root`; the environment is this test's, with `env` laid over it. */
export async function startRunner(root: string, env: NodeJS.ProcessEnv = {}): Promise<Runner> {
  const {
    COMFYUI_URLS: _urls,
    COMFYUI_INSTANCES_FILE: _file,
    REDIS_URL: _redis,
    WORKER_NAME: _name,
    WEBHOOK_ALLOW: _allow,
    ...inherited
  } = process.env;
  const child = spawn(process.execPath, [fixture('drive.mjs'), root], {
    env: { ...inherited, PORT: `${await freePort()}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const ended = once(child, 'close');
  return {
    process: child,
    text: () => text,
    lines: () => text.split('\n'),
    says: (pattern) =>
      until(`the runner says ${pattern}; it said:\n${text}`, () => {
        const match = pattern.exec(text);
        if (match === null && child.exitCode !== null) throw new Error(`ended without saying ${pattern}:\n${text}`);
        return match;
      }),
    exit: async () => {
      await ended;
      return child.exitCode;
    },
    pids: (name) => pidsIn(text, name),
    living: () =>
      pidsIn(text, '\\w+')
        .flat()
        .filter((pid) => processIdentity(pid) !== undefined),
  };
}

function pidsIn(text: string, name: string): [number, number][] {
  return [...text.matchAll(new RegExp(`^${name} +\\| pids (\\d+) (\\d+)$`, 'gm'))].map(([, one, two]) => [
    Number(one),
    Number(two),
  ]);
}
