const SECONDS_OF_DAY = 86_400;

/** Until the limits of a day (UTC) begin anew. */
export function secondsToMidnight(): number {
  return SECONDS_OF_DAY - (Math.floor(Date.now() / 1000) % SECONDS_OF_DAY);
}

/** Today and the days before it (UTC), today first. */
export function lastDays(days: number): string[] {
  const now = Date.now();
  return Array.from({ length: days }, (_, ago) =>
    new Date(now - ago * SECONDS_OF_DAY * 1000).toISOString().slice(0, 10),
  );
}
