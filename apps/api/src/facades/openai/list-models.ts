import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import type { Served } from '../../workflows/live-workflows.js';
import { findModel } from './choose-model.js';
import { modelsFor, namesOf } from './models.js';

type Aliases = ReadonlyMap<string, string>;

/** Every name that a request can give as its model: the workflows, each level of detail of them, and the aliases. */
export function listModels({ workflows }: Deps, aliases: Aliases): Handler {
  return ({ caller }) => {
    const models = modelsFor(workflows, knownCaller(caller));
    const own = [...models].flatMap(([name, served]) => namesOf(name).map((id) => model(id, served)));
    const others = [...aliases].flatMap(([alias, target]) => {
      const served = models.get(target.split('@')[0] ?? '');
      return served === undefined ? [] : [model(alias, served)];
    });
    return { status: 200, body: { object: 'list', data: [...own, ...others] } };
  };
}

export function getModel({ workflows }: Deps, aliases: Aliases): Handler {
  return ({ caller, params: { id = '' } }) => {
    const models = modelsFor(workflows, knownCaller(caller));
    return { status: 200, body: model(id, findModel({ models, aliases }, id)) };
  };
}

/** Of a file nobody knows since when it is there. */
function model(id: string, { published }: Served) {
  return { id, object: 'model', created: Math.floor((published?.at ?? 0) / 1000), owned_by: 'comfy-fleet' };
}
