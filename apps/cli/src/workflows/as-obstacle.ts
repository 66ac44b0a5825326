import { WorkflowError } from '@comfy-fleet/workflows';
import { Obstacle } from '../command.js';

/** Throws what is wrong with workflows as an Obstacle, anything else as it is. */
export function asObstacle(error: unknown): never {
  throw error instanceof WorkflowError ? new Obstacle(error.message) : error;
}
