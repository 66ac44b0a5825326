import type { Fleet, WorkflowInspection, WorkflowUpload } from '@comfy-fleet/client';
import { type QueryClient, skipToken, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import type { InputsFile } from './inputs-file.js';

/** A workflow that is being prepared for publishing. It survives visits to other pages. */
export interface Draft {
  readonly name: string;
  /** JSON as text: see WorkflowInspection. */
  readonly graph: string;
  readonly bindings: unknown;
  readonly linearData: unknown;
  readonly file: InputsFile;
  /** The inputs file comes from the current version and is kept for this new graph. */
  readonly isCarriedOver: boolean;
}

const KEY = ['workflow-draft'] as const;

/** The draft, if there is one. It is kept in the query cache, so that it is removed with the API key. */
export function useWorkflowDraft(): readonly [Draft | undefined, (draft: Draft | undefined) => void] {
  const queries = useQueryClient();
  const { data = null } = useQuery<Draft | null>({
    queryKey: KEY,
    queryFn: skipToken,
    gcTime: Number.POSITIVE_INFINITY,
  });
  const change = useCallback((draft: Draft | undefined) => keepDraft(queries, draft), [queries]);
  return [data ?? undefined, change];
}

function keepDraft(queries: QueryClient, draft: Draft | undefined): void {
  queries.setQueryData<Draft | null>(KEY, draft ?? null);
}

/** The request body to inspect, try and publish the draft. */
export function bodyOf({ graph, bindings, linearData, file }: Draft): string {
  const beside = Object.entries({ inputs: file, bindings, linear_data: linearData });
  const given = beside.filter(([, value]) => value !== null && value !== undefined);
  return `{"graph":${graph}${given.map(([key, value]) => `,"${key}":${JSON.stringify(value)}`).join('')}}`;
}

/** Makes a draft of an upload. If the upload has no inputs or bindings file, it keeps those of the current version. */
export async function openDraft(fleet: Fleet, name: string, upload: WorkflowUpload): Promise<Draft> {
  const { source, outcome } = await fleet.registry.inspect(name, upload);
  const hasNoFiles = source.inputs === null && source.bindings === null;
  const before = outcome === 'changed' && hasNoFiles ? await currentFiles(fleet, name) : undefined;
  return { ...draftOf(name, source), ...before };
}

function draftOf(name: string, { graph, inputs, bindings, linear_data }: WorkflowInspection['source']): Draft {
  const file = (inputs ?? {}) as InputsFile;
  return { name, graph, bindings, linearData: linear_data, file, isCarriedOver: false };
}

async function currentFiles(fleet: Fleet, name: string): Promise<Partial<Draft> | undefined> {
  const { inputs, bindings = null } = JSON.parse(await fleet.registry.source(name)) as {
    readonly inputs?: InputsFile;
    readonly bindings?: unknown;
  };
  if (inputs === undefined && bindings === null) return undefined;
  return { file: inputs ?? {}, bindings, isCarriedOver: true };
}

/** `flux-dev` of `Flux dev.json`: a name that a workflow can have. */
export function nameOfFile(file: string): string {
  const words = file.replace(/\.[a-z0-9]+$/i, '').replaceAll(/[^A-Za-z0-9._-]+/g, '-');
  const name = words.replace(/^[^A-Za-z0-9]+|-+$/g, '').slice(0, 64);
  return name === '' || name === 'graph' ? 'my-workflow' : name;
}

/** Valid workflow names. */
export const WORKFLOW_NAME = /^(?!graph$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The path segment of the editor; no workflow can have this name. */
export const NEW = '~new';
export const NEW_PATH = `/workflows/${NEW}`;

export function pathOf(name: string): string {
  return `/workflows/${encodeURIComponent(name)}`;
}
