import { PARAMETERS, type Parameter } from '../bindings.js';

/** What callers call a parameter. */
export function inputName(parameter: Parameter): string {
  return parameter === 'sampler_name' ? 'sampler' : parameter;
}

/** The usual parameter of that name; undefined for any other name. */
export function parameterCalled(name: string): Parameter | undefined {
  return PARAMETERS.find((parameter) => inputName(parameter) === name || parameter === name);
}
