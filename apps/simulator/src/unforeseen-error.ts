/** A request that ComfyUI answers with 500 and a plain text: something it did not foresee raised. */
export class UnforeseenError extends Error {}
