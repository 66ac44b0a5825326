import { describe, expect, it } from 'vitest';
import { mainThreadCpuIn, usedMemoryIn } from '../src/lib/redis-info.js';

describe('the memory of Redis', () => {
  it('is used_memory, not what looks like it', () => {
    const info = 'used_memory_rss:9\r\nused_memory:1234567\r\nused_memory_human:1.18M\r\n';
    expect(usedMemoryIn(info)).toBe(1_234_567);
  });

  it('is an error when it is not told', () => {
    expect(() => usedMemoryIn('-NOPERM\r\n')).toThrow('used_memory');
  });
});

it('the processor time of Redis is that of its main thread, user and system, in microseconds', () => {
  const all = 'used_cpu_sys:7.000000\r\nused_cpu_user:9.000000\r\n';
  const info = `${all}used_cpu_sys_main_thread:0.250000\r\nused_cpu_user_main_thread:1.500000\r\n`;
  expect(mainThreadCpuIn(info)).toBe(1_750_000);
});
