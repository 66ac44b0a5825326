import { PRELUDE, SNAPSHOT } from './prelude.js';

/** Reads one job in one round trip. */
export const snapshotScript = `${PRELUDE}${SNAPSHOT}
return snapshot()
`;
