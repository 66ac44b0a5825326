import { expect, it } from 'vitest';
import { Pace } from '../src/slots/pace.js';

/** The pace after prompts of these lengths, one after the other. */
function after(...lengths: number[]): Pace {
  const pace = new Pace();
  let now = 1000;
  for (const ms of lengths) {
    // All were submitted at once: each but the first began when the one before had ended.
    pace.ended(1000, now + ms);
    now += ms;
  }
  return pace;
}

it('wants one prompt to wait behind the running one while nothing is known, and when they are long', () => {
  expect(new Pace()).toMatchObject({ expectedMs: 30_000, ahead: 1 });
  expect(after(5000).ahead).toBe(1);
  expect(after(250).ahead).toBe(1);
});

it('wants a quarter of a second of work to wait there when they are short, and eight prompts at most', () => {
  expect(after(100, 100, 100).ahead).toBe(3);
  expect(after(50, 50, 50).ahead).toBe(5);
  expect(after(3, 3, 3).ahead).toBe(8);
  expect(after(0).ahead).toBe(8);
});

it('counts a prompt that waited from the end of the one before it, and the newest for three tenths', () => {
  expect(after(100, 200).expectedMs).toBe(130);
});
