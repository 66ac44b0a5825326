import { livingChild } from './data-lock.mjs';

// The worker of `npm start` runs this as its COMFYUI_RESTART_COMMAND. `npm start` then starts the simulator again.
const [dir = ''] = process.argv.slice(2);
const pid = livingChild(dir, 'simulator');
if (pid !== undefined) process.kill(pid, 'SIGKILL');
