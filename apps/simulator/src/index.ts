export { type Fault, FaultBook, type FaultKind, type PlantedFault } from './faults.js';
export { followJournal, type JournalEnd, type JournalLine, type JournalStart, readJournal } from './journal.js';
export { type ComfyVersion, defaultSettings, SettingsError, type SimulatorSettings } from './settings.js';
export { type Simulator, type SimulatorOptions, startSimulator } from './simulator.js';
