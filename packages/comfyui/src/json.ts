import type { ExpandedFrom } from '@comfy-fleet/contracts';

const STRING_OR_BARE_WORD = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/**
 * Parses an answer of ComfyUI. Python writes NaN and Infinity as bare words, which JSON does not have (recorded:
 * `"number": NaN`); they become null. Throws a SyntaxError for other invalid JSON.
 */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const repaired = text.replace(STRING_OR_BARE_WORD, (part) => (part.startsWith('"') ? part : 'null'));
    if (repaired === text) throw error;
    return JSON.parse(repaired);
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value if it is an object, else an empty one, for optional parts of an answer. */
export function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function listOr(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function numberOr(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Empty for a node of the graph itself, which has no parent. */
export function expandedFrom(display: unknown, parent: unknown, real: unknown): { expandedFrom?: ExpandedFrom } {
  if (typeof display !== 'string' || typeof parent !== 'string' || typeof real !== 'string') return {};
  return { expandedFrom: { display, parent, real } };
}
