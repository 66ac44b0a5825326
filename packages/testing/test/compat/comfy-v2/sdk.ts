import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Service, startProgram, until } from '@comfy-fleet/testing';

const require = createRequire(import.meta.url);
const ENOUGH = 24;

/** A Node as new as the SDK needs, which runs TypeScript too: this one, else the one of npm. */
function node(): string {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major >= ENOUGH) return process.execPath;
  return require.resolve(`node-${process.platform}-${process.arch}/bin/node`);
}

interface Asker {
  readonly url: string;
  readonly key: string;
}

/** The SDK at work in a process of its own; see sdk-program.ts. */
export function startSdk(scenario: string, { url, key }: Asker, given: object): Service {
  const script = join(import.meta.dirname, 'sdk-program.ts');
  const args = ['--no-warnings', script, scenario, JSON.stringify({ url, key, ...given })];
  return startProgram(node(), args, { env: { COMFY_BASE_URL: url } });
}

/** What became of it. */
export async function resultOf<T>(sdk: Service): Promise<T> {
  const { code } = await sdk.exited;
  if (code !== 0) throw new Error(`the SDK ended with ${code}: ${sdk.output}`);
  // What it printed may come after its end.
  await until('the SDK has said what became of it', async () => sdk.output.endsWith('\n'));
  return JSON.parse(sdk.output.trimEnd().split('\n').at(-1) ?? '') as T;
}

export async function withSdk<T>(scenario: string, asker: Asker, given: object): Promise<T> {
  return resultOf<T>(startSdk(scenario, asker, given));
}
