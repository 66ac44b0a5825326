import { join } from 'node:path';
import { nodeOfMajor, type Service, startProgram, until } from '@comfy-fleet/testing';

/** The SDK needs Node 22 or newer; this one runs TypeScript too. */
const MAJOR = 24;

interface Asker {
  readonly url: string;
  readonly key: string;
}

/** The SDK at work in a process of its own; see sdk-program.ts. */
export async function startSdk(scenario: string, { url, key }: Asker, given: object): Promise<Service> {
  const script = join(import.meta.dirname, 'sdk-program.ts');
  const args = ['--no-warnings', script, scenario, JSON.stringify({ url, key, ...given })];
  return startProgram(await nodeOfMajor(MAJOR), args, { env: { COMFY_BASE_URL: url } });
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
  return resultOf<T>(await startSdk(scenario, asker, given));
}
