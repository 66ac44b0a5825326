// The scripts go beside what tsc made of their loader.
import { cpSync } from 'node:fs';

cpSync('src/lua', 'dist/lua', { recursive: true, filter: (path) => !path.endsWith('.ts') });
