import { livingChild } from './data-lock.mjs';

// The COMFYUI_RESTART_COMMAND of the worker of `npm start`: kills the simulator, which `npm start` then restarts.
const [dir = ''] = process.argv.slice(2);
const pid = livingChild(dir, 'simulator');
if (pid !== undefined) process.kill(pid, 'SIGKILL');
