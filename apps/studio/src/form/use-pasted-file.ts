import { useEffect } from 'react';
import type { Field } from './fields.js';
import type { FileValue, FormValues } from './values.js';

/** Takes a file that is pasted anywhere on the page for the first field of files that is empty, else for the first one. */
export function usePastedFile(
  fields: readonly Field[],
  values: FormValues,
  onFile: (name: string, value: FileValue) => void,
): void {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const [file] = event.clipboardData?.files ?? [];
      const places = fields.filter(({ kind }) => kind === 'file');
      const place = places.find(({ name }) => values[name] === undefined) ?? places[0];
      // A field that was pasted into has taken it already.
      if (file === undefined || place === undefined || event.defaultPrevented) return;
      event.preventDefault();
      onFile(place.name, { from: 'disk', file });
    };
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, [fields, values, onFile]);
}
