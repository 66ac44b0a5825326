import type { TObject } from 'typebox';
import type { ApiRequest } from '../server/messages.js';

/**
 * The body of an order of a workflow: of a form, what is no field of the order is an input of its own, beside those of
 * its field `inputs`.
 */
export function runBody({ body, isForm }: Pick<ApiRequest, 'body' | 'isForm'>, { properties }: TObject) {
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  if (!isForm) return { order: body, own: {} };
  const isOfOrder = ([name]: readonly [string, unknown]) => Object.hasOwn(properties, name);
  return {
    order: Object.fromEntries(fields.filter(isOfOrder)),
    own: Object.fromEntries(fields.filter((field) => !isOfOrder(field))),
  };
}
