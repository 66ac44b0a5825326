import type { WebhookAttempt } from '@comfy-fleet/contracts';

/** A try as the log keeps it: with the run of its item, which callers do not see. */
export interface LoggedAttempt extends WebhookAttempt {
  readonly run: string;
}

/** The tries that lines of the log describe. */
export function parseAttempts(lines: readonly string[]): LoggedAttempt[] {
  // A line whose writing Redis died over, after it had kept it and before it could say so, was sent and written again.
  const once = lines.filter((line, n) => line !== lines[n - 1]);
  return once.map((line) => JSON.parse(line) as LoggedAttempt);
}
