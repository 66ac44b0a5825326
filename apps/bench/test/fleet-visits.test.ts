import { expect, it } from 'vitest';
import { longestGap, type Visit } from '../src/trials/people/visits.js';

const visit = (answeredAt: number, fault?: string): Visit => {
  return { kind: 'list', sentAt: answeredAt - 5, answeredAt, status: 200, fault };
};

it('measures the longest time without a good answer within a span, its ends included', () => {
  const visits = [visit(90), visit(110), visit(400, '502'), visit(600), visit(150), visit(2000)];
  expect(longestGap(visits, 100, 1000)).toBe(450);
  expect(longestGap(visits, 100, 700)).toBe(450);
  expect(longestGap(visits, 100, 200)).toBe(50);
  expect(longestGap([], 100, 200)).toBe(100);
});
