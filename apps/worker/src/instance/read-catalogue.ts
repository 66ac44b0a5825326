import { createHash } from 'node:crypto';
import { type Abilities, isInService, joinSignals } from '@comfy-fleet/contracts';
import type { AbilityRegistry } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { choicesOf, describeReplaced, readReplacements, withoutFileLists } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { CatalogueReader, Instance, ReadCatalogue } from './instance.js';

/** What is kept of a class as an instance described it. */
interface KnownClass {
  readonly choices: Abilities[string];
  /** Digest of the published description. */
  readonly digest: string;
  /** The published description differs from the instance's, which lists uploaded files or is not JSON. */
  readonly isReworded: boolean;
}

/** Catalogues read at the same time. One would use less memory, but a hanging ComfyUI must not hold up all others. */
const MOST_READING = 2;
/** Longest time for one catalogue: 20 MB over a slow line. */
const DEADLINE_MS = 120_000;
/** Classes of several ComfyUIs full of custom nodes. */
const MOST_CLASSES = 20_000;
const MOST_CATALOGUES = 16;
/** Distinct lists of options; most loaders of LoRAs share one. */
const MOST_LISTS = 2000;

/**
 * Reads the catalogues of instances. Every class is parsed by itself, and once for all instances that describe it
 * alike, so a catalogue of 20 MB blocks nothing else. Files uploaded to an instance do not change the digest.
 */
export function createCatalogueReader({ maxBytes }: { readonly maxBytes: number }): CatalogueReader {
  const turn = pLimit(MOST_READING);
  const known = new LRUCache<string, KnownClass>({ max: MOST_CLASSES });
  const catalogues = new LRUCache<string, Abilities>({ max: MOST_CATALOGUES });
  const lists = new LRUCache<string, readonly string[]>({ max: MOST_LISTS });

  const shared = (choices: Abilities[string]): Abilities[string] =>
    Object.fromEntries(
      Object.entries(choices).map(([input, options]) => {
        const id = digestOf(JSON.stringify(options));
        const list = lists.get(id) ?? options;
        lists.set(id, list);
        return [input, list];
      }),
    );

  const learn = (name: string, text: string): KnownClass => {
    const id = digestOf(`${name} ${text}`);
    const before = known.get(id);
    if (before !== undefined) return before;
    const description = parse(text);
    const clean = withoutFileLists(name, description ?? {});
    const isReworded = clean !== description;
    const digest = isReworded ? digestOf(`${name} ${JSON.stringify(clean)}`) : id;
    const learned = { choices: shared(choicesOf(name, clean)), digest, isReworded };
    known.set(id, learned);
    return learned;
  };

  const read = async (...[client, signal]: Parameters<CatalogueReader>): Promise<ReadCatalogue> => {
    const found = new Map<string, { readonly text: string; readonly known: KnownClass }>();
    for await (const [name, written] of client.nodeClasses({ signal, maxBytes })) {
      const text = asJson(written);
      found.set(name, { text, known: learn(name, text) });
    }
    const replacements = await client.nodeReplacements(signal);
    const names = [...found.keys()].sort();
    const parts = names.map((name) => found.get(name)?.known.digest).join();
    const digest = digestOf(`${parts} ${JSON.stringify(replacements)}`);
    const abilities = catalogues.get(digest) ?? abilitiesOf(found, replacements);
    catalogues.set(digest, abilities);
    return { digest, abilities, classes: cleanTexts(found), replacements };
  };

  return (client, signal) =>
    turn(async () => {
      const reason = () => new Error(`the node classes did not arrive within ${DEADLINE_MS / 1000} s`);
      const deadline = joinSignals([signal], { ms: DEADLINE_MS, reason });
      try {
        return await read(client, deadline.signal);
      } finally {
        deadline.end();
      }
    });
}

type Found = ReadonlyMap<string, { readonly text: string; readonly known: KnownClass }>;

/** A class that ComfyUI replaces by one that it has is available as well. */
function abilitiesOf(found: Found, replacements: unknown): Abilities {
  const abilities: Record<string, Abilities[string]> = {};
  for (const [name, { known }] of found) abilities[name] = known.choices;
  for (const [name, replacement] of readReplacements(replacements)) {
    const instead = found.get(replacement.className);
    if (found.has(name) || instead === undefined) continue;
    abilities[name] = choicesOf(name, describeReplaced(replacement, parse(instead.text)));
  }
  return abilities;
}

function* cleanTexts(found: Found): Generator<readonly [string, string]> {
  for (const [name, { text, known }] of found) {
    yield [name, known.isReworded ? JSON.stringify(withoutFileLists(name, parse(text) ?? {})) : text];
  }
}

const STRING_OR_BARE_WORD = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/** Python writes NaN and Infinity as bare words. */
function asJson(text: string): string {
  if (!/NaN|Infinity/.test(text)) return text;
  return text.replace(STRING_OR_BARE_WORD, (part) => (part.startsWith('"') ? part : 'null'));
}

/** Undefined for invalid JSON: a custom node that cannot describe itself must not hide the others. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Reads the catalogue of a reachable instance and publishes it for its pools. */
export type Study = (instance: Instance) => Promise<void>;

interface StudyOptions {
  readonly instances: readonly Instance[];
  readonly registry: Pick<AbilityRegistry, 'publish'>;
  /** Largest catalogue of an instance. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Also studies each instance when it comes back or warms up, because it may have been restarted with other models. */
export function createStudy({ instances, registry, maxBytes, signal, log }: StudyOptions): Study {
  const read = createCatalogueReader({ maxBytes });
  const study = async (instance: Instance) => {
    if (!instance.health.isReachable) return;
    const catalogue = await instance.learn(read, signal);
    await registry.publish(instance.pools, { instance: instance.name, seenAt: Date.now(), ...catalogue });
  };
  for (const instance of instances) {
    instance.events.on('health', (before) => {
      const { state } = instance.health;
      const isBack = isInService({ state }) && !isInService({ state: before });
      if (!isBack && state !== 'warming') return;
      study(instance).catch((error: unknown) => {
        if (signal.aborted) return;
        log.warn('could not read what an instance can do', { instance: instance.name, error });
      });
    });
  }
  return study;
}
