import { useEffect, useMemo } from 'react';
import type { FileValue } from './values.js';

interface ChosenFileProps {
  readonly value: FileValue | undefined;
  /** Of the input. */
  readonly name: string;
}

/** The file that was chosen: a picture as it is, others by their names. */
export function ChosenFile({ value, name }: ChosenFileProps) {
  const own = useMemo(
    () =>
      value?.from === 'disk' && value.file.type.startsWith('image/') ? URL.createObjectURL(value.file) : undefined,
    [value],
  );
  useEffect(() => () => (own === undefined ? undefined : URL.revokeObjectURL(own)), [own]);
  if (value === undefined) return null;
  const shown = value.from === 'job' ? value.href : own;
  if (shown !== undefined) return <img className="chosen" src={shown} alt={`Chosen for ${name}`} />;
  return <p>{value.from === 'disk' ? value.file.name : value.name}</p>;
}
