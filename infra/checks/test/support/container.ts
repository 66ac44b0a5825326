import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { freePort, until } from '@comfy-fleet/testing';
import { walk } from '../../../docker/walk.mjs';
import { type Stage, stagesOf } from './dockerfile.js';
import { ROOT, textOf } from './files.js';

/** An image as a folder: the files that its last stage copies, next to a folder for /data. */
export interface Image {
  readonly stage: Stage;
  /** The folder that stands for WORKDIR. */
  readonly dir: string;
  /** The Node of the image, at a path where the image's user can run it. */
  readonly node: string;
  readonly megabytes: number;
  /** The paths of all files in it. */
  files(): readonly string[];
  remove(): Promise<void>;
}

export interface Container {
  /** The local port that stands for a port of the image. */
  port(ofImage: number): number;
  readonly output: string;
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
  /** Runs the image's HEALTHCHECK until it succeeds. */
  healthy(): Promise<void>;
  /** Sends SIGTERM and resolves to the exit code. */
  stop(): Promise<number | null>;
}

/** Root runs the container as the image's user; other users run it as themselves. */
const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

/** Does what the Dockerfile does, with the given Node: deploys the apps, and copies the files of the last stage. */
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
  // The output of the build is large, so move it instead of copying it.
  await rename(out, dir);
  for (const [from, what, to] of stage.copies) {
    if (from !== undefined) continue;
    // Like Docker, copy a file into the target folder, but only the content of a folder.
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
 * Starts the image's ENTRYPOINT with these arguments, the image's ENV and `env`, on free ports of loopback, and with a local
 * folder for /data.
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
  // In a container, the health check finds the role in the command line of process 1. Here that is another process.
  const check = [...(stage.healthcheck ?? []), ...command.slice(0, 1)];
  return {
    port: (ofImage) => ports.get(ofImage) ?? 0,
    get output() {
      return output;
    },
    exited,
    healthy: async () => {
      await until(
        `${check.join(' ')} succeeds`,
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

/** Runs a program and resolves to its standard output. Rejects with all its output if it fails. */
export function run(program: string, args: readonly string[], options: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 240_000, maxBuffer: 2 ** 26, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.toString());
      else reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
    });
  });
}
