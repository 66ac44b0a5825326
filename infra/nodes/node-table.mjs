/** Types of inputs whose values are never names of files. */
const PLAIN = new Set(['INT', 'FLOAT', 'BOOLEAN', 'FLOAT,INT', 'FLOAT,INT,BOOLEAN']);
const UNREVIEWED = 'unreviewed';

/** @typedef {Record<string, { modules: string[], refused?: string, inputs: Record<string, string> }>} NodeTable */

/**
 * Adds the node classes and inputs of a catalogue that the table lacks. Inputs whose types show that they open no file are
 * accepted; all other inputs, and new classes, are marked as unreviewed. Never changes reviewed entries.
 * @param {NodeTable} table
 * @param {Record<string, { python_module: string, input: any }>} catalogue
 */
export function addCatalogue(table, catalogue) {
  for (const [className, description] of Object.entries(catalogue)) {
    table[className] ??= { modules: [], refused: UNREVIEWED, inputs: {} };
    const { modules, inputs } = table[className];
    if (!modules.includes(description.python_module)) modules.push(description.python_module);
    for (const [name, kind] of kindsOf(description.input, '')) inputs[name] ??= kind;
  }
}

/**
 * Writes one class per line, so that people can review the table and a diff shows single decisions.
 * @param {NodeTable} table
 */
export function tableText(table) {
  const lines = Object.keys(table)
    .sort()
    .map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(table[name])}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}

/**
 * Returns the names of classes that need a review.
 * @param {NodeTable} table
 */
export function unreviewedClasses(table) {
  return Object.entries(table)
    .filter(([, { refused, inputs }]) => refused === UNREVIEWED || Object.values(inputs).includes(UNREVIEWED))
    .map(([className]) => className);
}

/**
 * The inputs of a class, with the kinds that follow from their types. Inputs of variable number are named like `images.*`.
 * @param {any} input
 * @param {string} prefix
 * @returns {[name: string, kind: string][]}
 */
function kindsOf({ required = {}, optional = {} }, prefix) {
  return Object.entries({ ...required, ...optional }).flatMap(([name, [type, more = {}]]) => {
    const full = `${prefix}${name}`;
    if (type === 'COMFY_AUTOGROW_V3') {
      return kindsOf(more.template.input, '').map(([, kind]) => [`${full}.*`, kind]);
    }
    if (type === 'COMFY_DYNAMICCOMBO_V3') {
      const inputs = more.options.flatMap((/** @type {any} */ option) => kindsOf(option.inputs, `${full}.`));
      return [[full, 'fixed'], ...inputs];
    }
    return [[full, PLAIN.has(type) ? 'value' : UNREVIEWED]];
  });
}
