import { describe, expect, it } from 'vitest';
import { isTerminal, JOB_STATUSES } from '../src/index.js';

describe('isTerminal', () => {
  it('is true for the states that never change, and for no other', () => {
    expect(JOB_STATUSES.filter(isTerminal)).toEqual(['succeeded', 'failed', 'canceled', 'expired']);
    expect(JOB_STATUSES.filter((status) => !isTerminal(status))).toEqual(['queued', 'running', 'canceling']);
  });
});
