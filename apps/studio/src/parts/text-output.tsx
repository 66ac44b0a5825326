import type { Output } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Fault } from './fault.js';

/** More of a text than anybody reads in a page. */
const MOST_CHARS = 200_000;

/** A text that a job made; a long one does not come with its job. */
export function TextOutput({ output }: { readonly output: Output }) {
  const { data: text, error } = useQuery({
    queryKey: ['text', output.sha256],
    queryFn: async ({ signal }) => (await output.download({ signal })).text(),
    enabled: output.text === undefined,
    ...(output.text === undefined ? {} : { initialData: output.text }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (error !== null) return <Fault error={error} />;
  const isCut = text !== undefined && text.length > MOST_CHARS;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <pre className="text-output" aria-busy={text === undefined} tabIndex={0}>
      {isCut ? `${text.slice(0, MOST_CHARS)}…\n\nDownload it to read the rest.` : text}
    </pre>
  );
}
