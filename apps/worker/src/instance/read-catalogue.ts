import { createHash } from 'node:crypto';
import type { ComfyClient } from '@comfy-fleet/comfyui';
import { type Abilities, joinSignals } from '@comfy-fleet/contracts';
import type { PublishedCatalogue } from '@comfy-fleet/jobs';
import { choicesOf, describeReplaced, readReplacements, withoutFileLists } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';

/** What an instance has: to be published, and what is kept of it here. */
export interface ReadCatalogue extends PublishedCatalogue {
  /** The same object for the same digest. */
  readonly abilities: Abilities;
}

export type CatalogueReader = (
  client: Pick<ComfyClient, 'nodeClasses' | 'nodeReplacements'>,
  signal: AbortSignal,
) => Promise<ReadCatalogue>;

/** What is kept of a class as an instance described it. */
interface KnownClass {
  readonly choices: Abilities[string];
  /** Of the description as it is published. */
  readonly digest: string;
  /** It is published in other words than the instance's, since these list uploaded files, or are no JSON. */
  readonly isReworded: boolean;
}

/** Text of catalogues that is in memory at a time is bounded by this, and a ComfyUI that hangs does not hold up all. */
const MOST_READING = 2;
/** For the whole of one: 20 MB over a slow line. */
const DEADLINE_MS = 120_000;
/** Classes of several ComfyUIs full of custom nodes. */
const MOST_CLASSES = 20_000;
const MOST_CATALOGUES = 16;
/** Different lists of options: most loaders of LoRAs have the same one. */
const MOST_LISTS = 2000;

/**
 * Reads all that instances say of their nodes. Every class is parsed by itself, and once for all instances that describe it
 * alike, so nothing else waits for a catalogue of 20 MB; what is uploaded to an instance makes no new digest.
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

/** A class that ComfyUI replaces by one that it has is there as well. */
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

/** Undefined for what is no JSON: a custom node that cannot describe itself does not take the others with it. */
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
