import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Catalogue, readWorkflowFile, type WorkflowDescription } from '../src/index.js';

const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));

/** A part of the recorded /object_info of that version. */
export async function catalogueOf(version: '0.3.64' | '0.33.0'): Promise<Catalogue> {
  return JSON.parse(await readFile(join(fixtures, `object-info-${version}.json`), 'utf8')) as Catalogue;
}

/** Describes a fixture with its accompanying files. */
export async function describeFixture(name: string, catalogue?: Catalogue): Promise<WorkflowDescription> {
  return (await readWorkflowFile(fixtures, name)).describe(catalogue);
}

/** Describes a fixture after `change`, alone or with an accompanying file. */
export async function describeChanged(
  name: string,
  change: (graph: Record<string, { _meta: { title: string }; inputs: Record<string, unknown> }>) => void,
  { inputsFile, bindings, catalogue }: { inputsFile?: unknown; bindings?: unknown; catalogue?: Catalogue } = {},
): Promise<WorkflowDescription> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-describe-'));
  try {
    const graph = JSON.parse(await readFile(join(fixtures, `${name}.json`), 'utf8'));
    change(graph);
    await writeFile(join(dir, 'changed.json'), JSON.stringify(graph));
    if (inputsFile !== undefined) await writeFile(join(dir, 'changed.inputs.json'), JSON.stringify(inputsFile));
    if (bindings !== undefined) await writeFile(join(dir, 'changed.bindings.json'), JSON.stringify(bindings));
    return (await readWorkflowFile(dir, 'changed')).describe(catalogue);
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** `<node>.<widget> … (rule)` by name. */
export function foundIn({ inputs }: WorkflowDescription): Record<string, string> {
  return Object.fromEntries(
    inputs.map(({ name, slots, rule }) => {
      const places = slots.map(({ node, input }) => `${node}.${input}`).sort();
      return [name, `${places.join(' ')} (${rule})`];
    }),
  );
}

export function schemaOf({ schema }: WorkflowDescription, name: string): unknown {
  return (schema.properties as Record<string, unknown>)[name];
}
