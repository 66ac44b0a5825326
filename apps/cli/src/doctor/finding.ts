/** `ok`; `warn`: it works, but not as well or as safely as it could; `fail`: the fleet does not work so. */
export type Level = 'ok' | 'warn' | 'fail';

/** One line of the doctor's report. Holds no secret. */
export interface Finding {
  readonly check: string;
  readonly level: Level;
  /** What was found, in a sentence. */
  readonly found: string;
  /** What to do about it; absent when all is well. */
  readonly fix?: string;
}

/** The findings of one check, which all have its name. */
export interface Report {
  ok(found: string): Finding;
  warn(found: string, fix: string): Finding;
  fail(found: string, fix: string): Finding;
}

export function reportOf(check: string): Report {
  return {
    ok: (found) => ({ check, level: 'ok', found }),
    warn: (found, fix) => ({ check, level: 'warn', found, fix }),
    fail: (found, fix) => ({ check, level: 'fail', found, fix }),
  };
}
