import { Obstacle } from '../command.js';

export function noFile(path: string): Obstacle {
  return new Obstacle(`There is no file ${path} yet: comfy-fleet keys create <id> makes it.`);
}
