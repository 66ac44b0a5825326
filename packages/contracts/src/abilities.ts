/**
 * What an instance can do, of what the workflows ask for: the node classes it has, each with those of its inputs that are
 * choices (checkpoints, samplers, schedulers, LoRAs, …) and what there is to choose from.
 */
export type Abilities = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** What one instance, by name, said it can do when it was last seen (ms since 1970). */
export interface InstanceAbilities {
  readonly instance: string;
  readonly seenAt: number;
  readonly abilities: Abilities;
}
