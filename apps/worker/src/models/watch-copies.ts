import type { Abilities, ModelCopy, ModelKind } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { classesOfKind, loaderInputsOf } from '@comfy-fleet/workflows';
import type { Instance } from '../instance/instance.js';

interface Options {
  readonly instances: readonly Instance[];
  /** The instance was asked for its models again and does not list this one. */
  readonly notListed: (id: string, instance: string) => void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** An instance, and what has changed in its folder since it was last asked for its models. */
interface Watched {
  readonly instance: Instance;
  readonly added: Set<string>;
  readonly removed: Set<string>;
  isAsked: boolean;
}

/**
 * Keeps what the instances of a model folder can do equal to what the folder has. Call the returned function often, also
 * if nothing has changed.
 */
export function createCopyWatch({ instances, notListed, signal, log }: Options) {
  const watched = instances.map((instance): Watched => {
    return { instance, added: new Set(), removed: new Set(), isAsked: false };
  });
  let [ready, evicting]: readonly [ReadonlySet<string>, ReadonlySet<string>] = [new Set(), new Set()];

  /** Until the instance has been asked again, its list still has what was deleted. */
  const withhold = ({ instance, removed }: Watched) => instance.withhold(new Set([...evicting, ...removed]));
  /** Asks the instance for its models of the kinds that have changed. */
  const ask = async (one: Watched, abilities: Abilities) => {
    const { instance } = one;
    const [added, removed] = [[...one.added], [...one.removed]];
    const kinds = [...new Set([...added, ...removed].map(kindOf))];
    await instance.learnAgain([...new Set(kinds.flatMap((kind) => classesOfKind(kind, abilities)))], signal);
    for (const id of added) if (one.added.delete(id) && !lists(instance, id)) notListed(id, instance.name);
    for (const id of removed) one.removed.delete(id);
    withhold(one);
  };
  const askIfChanged = (one: Watched) => {
    const { instance, added, removed, isAsked } = one;
    if (isAsked || added.size + removed.size === 0 || instance.abilities === undefined) return;
    one.isAsked = true;
    ask(one, instance.abilities)
      .catch((error: unknown) => {
        log.debug('could not ask an instance for its models', { instance: instance.name, error });
      })
      .finally(() => {
        one.isAsked = false;
      });
  };

  return (copies: ReadonlyMap<string, ModelCopy>): void => {
    const before = ready;
    ready = idsOf(copies, 'ready');
    evicting = idsOf(copies, 'evicting');
    for (const one of watched) {
      const { added, removed } = one;
      for (const id of ready) if (!before.has(id)) added.add(id);
      for (const id of before) if (!ready.has(id)) removed.add(id);
      for (const id of added) if (!ready.has(id)) added.delete(id);
      for (const id of removed) if (ready.has(id)) removed.delete(id);
      withhold(one);
      askIfChanged(one);
    }
  };
}

function idsOf(copies: ReadonlyMap<string, ModelCopy>, state: ModelCopy['state']): ReadonlySet<string> {
  return new Set([...copies].filter(([, copy]) => copy.state === state).map(([id]) => id));
}

function kindOf(id: string): ModelKind {
  return id.slice(0, id.indexOf('/')) as ModelKind;
}

function lists({ abilities = {} }: Instance, id: string): boolean {
  const name = id.slice(id.indexOf('/') + 1);
  const inputs = loaderInputsOf(kindOf(id), abilities);
  return inputs.length === 0 || inputs.some(({ className, input }) => abilities[className]?.[input]?.includes(name));
}
