export { type BindOptions, bindGraph } from './bind-graph.js';
export { type Bindings, PARAMETERS, type Parameter } from './bindings.js';
export type { Graph, GraphNode, Slot } from './graph.js';
export { loadWorkflows, type Workflows } from './load-workflows.js';
export type { LodProfile } from './lod-profiles.js';
export { randomSeed } from './random-seed.js';
export { type RequestToResolve, resolveRequest } from './resolve-request.js';
export type { Template, TemplateDefaults } from './template.js';
export { WorkflowError } from './workflow-error.js';
