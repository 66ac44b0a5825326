import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useFleet } from '../../session/session.js';
import { bodyOf, type Draft, WORKFLOW_NAME } from '../draft.js';

const PAUSE_MS = 300;

/** What publishing the draft would come to, as it is after a pause in typing; of a draft that is wrong the last good answer. */
export function useInspection(draft: Draft) {
  const fleet = useFleet();
  const asked = useLate({ name: draft.name, body: bodyOf(draft) });
  return useQuery({
    queryKey: ['workflow-inspection', asked],
    queryFn: ({ signal }) => fleet.registry.inspect(asked.name, asked.body, { signal }),
    enabled: WORKFLOW_NAME.test(asked.name),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 60_000,
  });
}

function useLate<T extends Readonly<Record<string, string>>>(value: T): T {
  const [late, setLate] = useState(value);
  const text = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(JSON.parse(text) as T), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return late;
}
