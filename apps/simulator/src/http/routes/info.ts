import { modelsIn } from '../../catalogue/installed-files.js';
import type { Engine } from '../../engine.js';
import { NODE_REPLACEMENTS } from '../../node-replacements.js';
import { features } from '../features.js';
import { empty, json, type Reply, type Route, type RouteRequest } from '../route.js';
import { systemStats } from '../system-stats.js';

const FOLDERS = {
  '0.3.64': `checkpoints configs loras vae text_encoders diffusion_models clip_vision style_models embeddings diffusers
    vae_approx controlnet gligen upscale_models custom_nodes hypernetworks photomaker classifiers model_patches
    audio_encoders`.split(/\s+/),
  '0.33.0': `checkpoints configs loras vae text_encoders diffusion_models clip_vision style_models embeddings diffusers
    vae_approx controlnet gligen upscale_models latent_upscale_models custom_nodes datasets hypernetworks photomaker
    classifiers model_patches audio_encoders background_removal frame_interpolation geometry_estimation optical_flow
    detection`.split(/\s+/),
};

function allObjectInfo(_request: RouteRequest, engine: Engine): Reply {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: { bytes: engine.catalogue.all() },
  };
}

function objectInfoOf({ params }: RouteRequest, engine: Engine): Reply {
  const name = params.name ?? '';
  const described = engine.catalogue.describe(name);
  return json(described === undefined ? {} : { [name]: described });
}

function getModels({ params }: RouteRequest, { settings }: Engine): Reply {
  const folder = params.folder ?? '';
  if (!FOLDERS[settings.version].includes(folder)) return empty(404);
  return json(modelsIn(folder, settings));
}

export const infoRoutes: readonly Route[] = [
  { method: 'GET', path: '/system_stats', handle: (_request, engine) => json(systemStats(engine)) },
  { method: 'GET', path: '/features', handle: (_request, engine) => json(features(engine.settings.version)) },
  { method: 'GET', path: '/object_info', handle: allObjectInfo },
  { method: 'GET', path: '/object_info/:name', handle: objectInfoOf },
  { method: 'GET', path: '/node_replacements', handle: () => json(NODE_REPLACEMENTS), onlyNew: true },
  { method: 'GET', path: '/embeddings', handle: () => json([]) },
  { method: 'GET', path: '/models', handle: (_request, engine) => json(FOLDERS[engine.settings.version]) },
  { method: 'GET', path: '/models/:folder', handle: getModels },
];
