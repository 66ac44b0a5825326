/** `, did you mean "steps"? There is steps, cfg.` or `. There is steps, cfg.`: the end of a sentence on a name that is none of `known`. */
export async function butThereIs(written: string, known: readonly string[]): Promise<string> {
  const { suggest } = await import('@comfy-fleet/workflows'); // only now: it takes a moment to load
  return `${suggest(written, known) || '.'} There is ${known.join(', ') || 'none'}.`;
}
