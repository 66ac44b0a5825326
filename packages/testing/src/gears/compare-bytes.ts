import { expect } from 'vitest';

// Byte by byte, as vitest does it, a megabyte takes seconds.
expect.addEqualityTesters([(a, b) => (Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : undefined)]);
