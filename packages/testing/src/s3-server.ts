import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An S3 server as its own process, with one bucket in memory. */
export interface S3Server {
  /** For S3_ENDPOINT. */
  readonly url: string;
  readonly port: number;
  readonly bucket: string;
  /** Settings with which the services and the AWS SDK use the bucket. */
  readonly env: Readonly<Record<string, string>>;
  /** Sets the time at which an object was stored. */
  age(key: string, time: Date): Promise<void>;
  /** Stores objects of one byte, all at once. */
  fill(keys: readonly string[]): Promise<void>;
  /** Stops the process and deletes everything in it. */
  close(): Promise<void>;
}

/** Debian's moto needs Debian's Python, which may not be the first on the PATH. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
const SCRIPT = fileURLToPath(new URL('../python/s3_server.py', import.meta.url));
const BUCKET = 'comfy-fleet-test';

export interface S3ServerOptions {
  /** Refuses wrong credentials. It also refuses some requests with a correct signature. */
  readonly strict?: boolean;
}

/** Starts moto on a free port of 127.0.0.1. */
export async function startS3Server({ strict = false }: S3ServerOptions = {}): Promise<S3Server> {
  const failures: string[] = [];
  for (const python of PYTHONS) {
    const { child, listening, complaint } = launch(python, strict);
    const about = await listening;
    if (about !== undefined) return server(child, about);
    failures.push(`${python}: ${complaint()}`);
  }
  throw new Error(
    `No Python here has moto, which plays S3 in the tests (Debian: apt-get install python3-moto python3-flask-cors).\n${failures.join('\n')}`,
  );
}

interface Listening {
  readonly port: number;
  readonly id: string;
  readonly secret: string;
}

function launch(python: string, strict: boolean) {
  const args = ['-W', 'ignore', SCRIPT, BUCKET, ...(strict ? ['strict'] : [])];
  const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  const listening = new Promise<Listening | undefined>((resolve) => {
    createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line) as Listening));
    child.once('error', (error) => {
      errors = error.message;
      resolve(undefined);
    });
    child.once('exit', () => resolve(undefined));
  });
  return { child, listening, complaint: () => errors.trim() };
}

function server(child: ChildProcess, { port, id, secret }: Listening): S3Server {
  const url = `http://127.0.0.1:${port}`;
  const tell = async (what: string, about: object) => {
    const answer = await fetch(`${url}/test/${what}`, { method: 'POST', body: JSON.stringify(about) });
    if (!answer.ok) throw new Error(`the S3 server did not do it (${what}): ${answer.status}`);
  };
  return {
    url,
    port,
    bucket: BUCKET,
    env: {
      FRAMES_STORE: 's3',
      S3_BUCKET: BUCKET,
      S3_ENDPOINT: url,
      S3_PATH_STYLE: '1',
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: secret,
    },
    age: (key, time) => tell('age', { key, time: time.getTime() }),
    fill: (keys) => tell('fill', { keys }),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
