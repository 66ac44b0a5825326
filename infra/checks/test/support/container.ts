import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { freePort, until } from '@comfy-fleet/testing';
import { walk } from '../../../docker/walk.mjs';
import { type Stage, stagesOf } from './dockerfile.js';
import { ROOT, textOf } from './files.js';

/** An image as a folder: what its last stage copies together, with /data beside it. */
export interface Image {
  readonly stage: Stage;
  /** Its WORKDIR. */
  readonly dir: string;
  /** Its Node, where its user may run it. */
  readonly node: string;
  readonly megabytes: number;
  /** Every file in it. */
  files(): readonly string[];
  remove(): Promise<void>;
}

export interface Container {
  /** Where the port of the image has gone. */
  port(ofImage: number): number;
  readonly output: string;
  /** Its exit code, when it ends. */
  readonly exited: Promise<number | null>;
  /** Runs the image's HEALTHCHECK until it says that all is well. */
  healthy(): Promise<void>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

/** Root runs what is in the image as the user that the image names; anybody else as himself. */
const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

/** Does what the Dockerfile does, with the Node given: deploys the apps, and copies what its last stage copies. */
export async function makeImage(node: string): Promise<Image> {
  const stage = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1);
  if (stage === undefined) throw new Error('the Dockerfile has no stage');
  const base = await mkdtemp(join(tmpdir(), 'comfy-fleet-image-'));
  const remove = () => rm(base, { recursive: true, force: true });
  try {
    return await layOut(node, stage, base, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function layOut(node: string, stage: Stage, base: string, remove: () => Promise<void>): Promise<Image> {
  await chmod(base, 0o755);
  const out = join(base, 'out');
  const printed = await run(node, [join(ROOT, 'infra/docker/deploy.mjs'), out]);
  const dir = join(base, 'app');
  // What the build made is large, and comes first.
  await rename(out, dir);
  for (const [from, what, to] of stage.copies) {
    if (from !== undefined) continue;
    // as in Docker: a file goes into the folder that is named, of a folder the content does
    const isFile = (await stat(join(ROOT, what))).isFile();
    await cp(join(ROOT, what), isFile ? join(dir, to, basename(what)) : join(dir, to), { recursive: true });
  }
  const ownNode = join(base, 'node');
  await copyFile(node, ownNode);
  await chmod(ownNode, 0o755);
  await mkdir(join(base, 'data'));
  if (process.getuid?.() === 0) await chmod(join(base, 'data'), 0o777);
  return {
    stage,
    dir,
    node: ownNode,
    megabytes: Number(/([\d.]+) MB/.exec(printed)?.[1]),
    files: () => [...walk(dir)].map(({ path }) => path).sort(),
    remove,
  };
}

/**
 * Starts the image's ENTRYPOINT with the arguments and the image's ENV and `env`, on free ports of loopback and with /data
 * in its own folder.
 */
export async function startContainer(
  { stage, dir, node }: Image,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Container> {
  const ports = new Map(await Promise.all(stage.exposed.map(async (port) => [port, await freePort()] as const)));
  const adapted = Object.entries(stage.env).map(([name, value]) => {
    if (name.endsWith('HOST')) return [name, '127.0.0.1'];
    if (name.endsWith('PORT')) return [name, `${ports.get(Number(value))}`];
    return [name, value.replace(/^\/data\//, join(dir, '../data/'))];
  });
  const whole = { ...Object.fromEntries(adapted), ...env };
  const options = { cwd: dir, env: { PATH: process.env.PATH, ...whole }, ...user };
  const named = (what: string) => (what === 'node' ? node : what);
  const [program = '', ...args] = stage.entrypoint ?? [];
  const child = spawn(named(program), [...args, ...command], options);
  await once(child, 'spawn');
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // A container's health check finds the role in the command line of process 1, which is another one here.
  const check = [...(stage.healthcheck ?? []), ...command.slice(0, 1)];
  return {
    port: (ofImage) => ports.get(ofImage) ?? 0,
    get output() {
      return output;
    },
    exited,
    healthy: async () => {
      await until(
        `${check.join(' ')} says that all is well`,
        async () => {
          if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output}`);
          const [what = '', ...rest] = check;
          return run(named(what), rest, options).then(
            () => true,
            () => false,
          );
        },
        { everyMs: 100 },
      );
    },
    stop: async () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

/** Runs a program to its end. Resolves to what it printed; rejects, with all that it printed, when it fails. */
export function run(program: string, args: readonly string[], options: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 240_000, maxBuffer: 2 ** 26, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.toString());
      else reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
    });
  });
}
