import { PRELUDE } from './prelude.js';
import { LIFE } from './prolong.js';

/** There is nothing (more) to deliver of the job: its lifetime begins. */
export const toldScript = `${PRELUDE}${LIFE}
if is_terminal(get('status')) then begin_lifetime() end
`;
