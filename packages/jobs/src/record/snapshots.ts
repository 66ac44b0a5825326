import { type JobSnapshot, parseRecord, type QueuePlace } from './record.js';

/** What the scripts' `place_in_queue()` answers. */
export type ScriptPlace = readonly [ahead: number, heldBack: number, restsUntil: number];
type ScriptSnapshot = readonly [fields: readonly string[], place: ScriptPlace, lastEventId: string];

/** Reads what the scripts' `snapshot()` answers; undefined when there is no such job: an empty list, in JSON of Lua `{}`. */
export function parseSnapshot(reply: unknown): JobSnapshot | undefined {
  const [fields, place, lastEventId] = reply as ScriptSnapshot;
  const record = parseRecord(fields);
  return record === undefined ? undefined : { record, ...parsePlace(place), lastEventId };
}

export function parsePlace([ahead, heldBack, restsUntil]: ScriptPlace): QueuePlace {
  return {
    ahead: ahead < 0 ? null : ahead,
    isHeldBack: heldBack === 1,
    isOverStorage: heldBack === 2,
    restsUntil: restsUntil === 0 ? null : restsUntil,
  };
}
