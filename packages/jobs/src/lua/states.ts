import {
  JOB_PHASES,
  JOB_STATUSES,
  PHASE_TRANSITIONS,
  STATUS_TRANSITIONS,
  TERMINAL_STATUSES,
} from '@comfy-fleet/contracts';

const TRANSITIONS = [...STATUS_TRANSITIONS, ...PHASE_TRANSITIONS];

/**
 * The states and phases for a script, as the constants that it uses (`QUEUED`, `WAITING`, …), and what the tables say of
 * them. The transitions are one string because Redis would build a Lua table anew with each call.
 */
export function luaStates(script: string): string {
  const words = [...JOB_STATUSES, ...JOB_PHASES].filter((word) => script.includes(word.toUpperCase()));
  const callbacks = new Set(STATUS_TRANSITIONS.flatMap(({ to, callback }) => (callback ? [to] : [])));
  return [
    ...words.map((word) => `local ${word.toUpperCase()} = '${word}'`),
    `local TRANSITIONS = ' ${TRANSITIONS.map(({ from, to }) => `${from}>${to} `).join('')}'`,
    "local function may(from, to) return string.find(TRANSITIONS, ' ' .. from .. '>' .. to .. ' ', 1, true) ~= nil end",
    `local function is_terminal(status) return ${isAny(TERMINAL_STATUSES)} end`,
    `local function is_callback_due(status) return ${isAny([...callbacks])} end`,
  ].join('\n');
}

function isAny(words: readonly string[]): string {
  return words.map((word) => `status == '${word}'`).join(' or ');
}
