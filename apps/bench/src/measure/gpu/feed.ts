/** A way in which prompts come to a number of GPUs. */
export interface Feed {
  /** Begins one prompt on each GPU; the answered function ends them again. For holding the GPUs while a backlog is built. */
  occupy(): Promise<() => Promise<void>>;
  /** Hands over so many prompts of 64×64 pictures. Resolves when all are accepted, with a text that all their graphs have. */
  submit(count: number): Promise<string>;
  /** Resolves when all that was submitted is done for whoever submitted it; throws when it is known to have failed. */
  done(): Promise<void>;
}
