/** The next of 1, 2, 5, 10, … above. */
export function roundTop(amount: number): number {
  if (amount <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(amount));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= amount) ?? amount;
}

const MINUTE = 60;
const HOUR = 3600;
const TOPS = [1, 2, 4, 10, 20, 30, ...[1, 2, 4, 10, 20, 30].map((minutes) => minutes * MINUTE)];

/** The next above of what people count seconds, minutes and hours in. */
export function roundTime(seconds: number): number {
  return TOPS.find((top) => top >= seconds) ?? roundTop(seconds / HOUR) * HOUR;
}
