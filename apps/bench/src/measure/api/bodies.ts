/** Of the prompts that waiting jobs are measured with. */
export const PROMPT_CHARS = 100;

/** A request for a picture, with a prompt of 100 characters; the number sets it apart from the others. */
export function job(number: number): object {
  const prompt = `a lighthouse in a storm at night, oil on canvas, heavy clouds, one ship far out at sea ${number} `;
  return { prompt: prompt.padEnd(PROMPT_CHARS, '.').slice(0, PROMPT_CHARS), lod: 'sketch', seed: number };
}
