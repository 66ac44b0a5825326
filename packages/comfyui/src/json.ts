const STRING_OR_BARE_WORD = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/**
 * Parses an answer of ComfyUI. Python writes NaN and Infinity as bare words, which JSON does not have (recorded:
 * `"number": NaN`); they become null. Throws a SyntaxError for anything else that is not JSON.
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
