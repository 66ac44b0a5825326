import type { FieldError } from '@comfy-fleet/contracts';

const FAULT = 'has half of a surrogate pair, which is no character; send valid Unicode';

/**
 * The places of texts, and of names of fields, that are no valid Unicode: JSON can write them (`\ud800`), UTF-8 cannot, nor
 * can ComfyUI's Python or Redis' Lua read them. To be asked of what has the form of its schema, which bounds its depth.
 */
export function halfCharacters(value: unknown, pointer = ''): FieldError[] {
  if (typeof value === 'string') return value.isWellFormed() ? [] : [{ pointer, detail: FAULT }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name.isWellFormed() ? halfCharacters(part, `${pointer}/${name}`) : [{ pointer, detail: FAULT }],
  );
}
