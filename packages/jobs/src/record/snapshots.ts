import { type JobSnapshot, parseRecord } from './record.js';

type ScriptSnapshot = readonly [fields: readonly string[], ahead: number, lastEventId: string];

/** Reads what the scripts' `snapshot()` answers. Undefined when there is no such job. */
export function parseSnapshot(reply: unknown): JobSnapshot | undefined {
  const [fields, ahead, lastEventId] = reply as ScriptSnapshot;
  const record = parseRecord(fields);
  return record === undefined ? undefined : { record, ahead: ahead < 0 ? null : ahead, lastEventId };
}
