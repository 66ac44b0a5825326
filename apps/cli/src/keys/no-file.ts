import { KeysProblem } from './keys-problem.js';

export function noFile(path: string): KeysProblem {
  return new KeysProblem(`There is no file ${path} yet: npm run keys -- create <id> makes it.`);
}
