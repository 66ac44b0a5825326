import { ConfigError, loadSimulatorConfig } from '@comfy-fleet/config';
import { createLogger } from '@comfy-fleet/telemetry';
import { makeOwnFolders } from './folders.js';
import { parseSettings, SettingsError } from './settings.js';
import { startSimulator } from './simulator.js';

/** The pace of a quick GPU, if the settings name no other. */
const PACE = { stepMs: 120, modelLoadMs: 800 };

try {
  const { log, port, host, dir, settings } = loadSimulatorConfig();
  const logger = createLogger({ service: 'simulator', ...log });
  // SIGKILL, because in a real crash no handler runs and no buffer is flushed.
  const onCrash = () => process.kill(process.pid, 'SIGKILL');
  makeOwnFolders(dir);
  const simulator = await startSimulator({ port, host, dir, onCrash, ...PACE, ...parseSettings(settings) });
  logger.info('a simulated ComfyUI is listening', {
    url: simulator.url,
    version: simulator.settings.version,
    dir: simulator.dir,
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
} catch (error) {
  if (error instanceof ConfigError) console.error(error.message);
  else if (error instanceof SettingsError) console.error(`SIMULATOR_SETTINGS: ${error.message}`);
  else console.error(`The simulator cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
