/** As many letters and digits in a row that a message shares with a graph count as the caller's. */
const RUN_LENGTH = 6;
/** Digits and letters, without regard to case. */
const DIGITS = 36;
const LAST_OF_RUN = DIGITS ** (RUN_LENGTH - 1);

/**
 * The message without what it repeats of the texts in a graph. Only letters and digits are compared, since Python may
 * quote or escape the rest. This cannot be complete: a graph can also compute a text.
 */
export function withoutCallerWords(message: string, graph: unknown): string {
  const places = new Map<number, number[]>();
  eachRun(message, (run, end) => places.set(run, [...(places.get(run) ?? []), end]));
  const letters = message.split('');
  eachText(graph, (text) =>
    eachRun(text, (run) => {
      for (const end of places.get(run) ?? []) blank(letters, end);
      places.delete(run);
    }),
  );
  return letters.join('');
}

function blank(letters: string[], end: number): void {
  for (let at = end, left = RUN_LENGTH; left > 0 && at >= 0; at -= 1) {
    // What an overlapping run has blanked counts as a letter; other signs are not blanked.
    const isLetter = letters[at] === '\0' || digitOf(letters[at]?.charCodeAt(0) ?? 0) >= 0;
    if (!isLetter) continue;
    letters[at] = '\0';
    left -= 1;
  }
}

/** Each run as a number, exactly, and where it ends in the text. */
function eachRun(text: string, visit: (run: number, end: number) => void): void {
  let run = 0;
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = digitOf(text.charCodeAt(at));
    if (digit < 0) continue;
    run = (run % LAST_OF_RUN) * DIGITS + digit;
    length += 1;
    if (length >= RUN_LENGTH) visit(run, at);
  }
}

function digitOf(char: number): number {
  if (char >= 48 && char <= 57) return char - 48;
  if (char >= 97 && char <= 122) return char - 87;
  return char >= 65 && char <= 90 ? char - 55 : -1;
}

/** Every text in a JSON value, however deep it is. Names of inputs do not count: "device" is one. */
function eachText(value: unknown, visit: (text: string) => void): void {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === 'string') visit(next);
    else if (typeof next === 'object' && next !== null) for (const item of Object.values(next)) left.push(item);
  }
}
