import type { Job, Output } from '@comfy-fleet/client';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { type FormValues, fileOfJob } from '../form/fields.js';
import { DRAFT_NAME } from '../session.js';
import type { Lod } from './request.js';

/** The contents of the form on the Make page. They survive visits to other pages and a reload of the tab. */
interface Draft {
  readonly workflow: string;
  readonly lod: Lod | undefined;
  readonly values: FormValues;
}

interface DraftStore extends Draft {
  readonly change: (part: Partial<Draft>) => void;
  /** Switches to img2img with an output as its picture. */
  readonly startFrom: (job: Job, output: Output, index: number) => void;
}

const FIRST: Draft = { workflow: 'text2img', lod: 'sketch', values: {} };
const DraftContext = createContext<DraftStore | undefined>(undefined);

export function DraftProvider({ children }: { readonly children: ReactNode }) {
  const [draft, setDraft] = useState(read);
  useEffect(() => {
    sessionStorage.setItem(DRAFT_NAME, JSON.stringify(draft, withoutLocalFiles));
  }, [draft]);
  const change = useCallback((part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part })), []);
  const startFrom = useCallback((job: Job, output: Output, index: number) => {
    const image = fileOfJob(job, output, index);
    setDraft(({ values, lod }) => ({
      workflow: 'img2img',
      lod: lod ?? 'sketch',
      values: { prompt: job.request.prompt ?? values.prompt, image },
    }));
  }, []);
  const store = useMemo(() => ({ ...draft, change, startFrom }), [draft, change, startFrom]);
  return <DraftContext value={store}>{children}</DraftContext>;
}

function read(): Draft {
  const kept = sessionStorage.getItem(DRAFT_NAME);
  return kept === null ? FIRST : (JSON.parse(kept) as Draft);
}

/** Leaves out local files, which a page cannot open again by itself. */
function withoutLocalFiles(_name: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'from' in value && value.from === 'disk' ? undefined : value;
}

export function useDraft(): DraftStore {
  const store = useContext(DraftContext);
  if (store === undefined) throw new Error('no draft above');
  return store;
}
