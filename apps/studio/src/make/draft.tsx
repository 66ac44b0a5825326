import type { Job, Output } from '@comfy-fleet/client';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { type FormValues, fileOfJob } from '../form/fields.js';
import { DRAFT_NAME } from '../session.js';
import type { Lod } from './order.js';

/** The contents of the form on the page Make. They survive a visit to other pages and a reload of the tab. */
interface Draft {
  readonly workflow: string;
  readonly lod: Lod | undefined;
  readonly values: FormValues;
}

interface DraftStore extends Draft {
  readonly change: (part: Partial<Draft>) => void;
  /** Chooses img2img, to start from an output. */
  readonly startFrom: (job: Job, output: Output, index: number) => void;
}

const FIRST: Draft = { workflow: 'text2img', lod: 'sketch', values: {} };
const DraftContext = createContext<DraftStore | undefined>(undefined);

export function DraftProvider({ children }: { readonly children: ReactNode }) {
  const [draft, setDraft] = useState(read);
  useEffect(() => sessionStorage.setItem(DRAFT_NAME, JSON.stringify(draft, withoutLocalFiles)), [draft]);
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

/** A page cannot open a file of this machine again by itself. */
function withoutLocalFiles(_name: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'from' in value && value.from === 'disk' ? undefined : value;
}

export function useDraft(): DraftStore {
  const store = useContext(DraftContext);
  if (store === undefined) throw new Error('no draft above');
  return store;
}
