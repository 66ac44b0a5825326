#!/usr/bin/env node
// The program of the npm package `comfy-fleet`.
import { refuseOldNode } from '../local/node-version.mjs';

refuseOldNode(process.versions.node, new URL('../package.json', import.meta.url));
import('./run.mjs').then(({ run }) => run());
