import type { PublishedVersion, WorkflowRegistry } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { openWorkflow, type Workflow, WorkflowError } from '@comfy-fleet/workflows';

/** A workflow of the registry as it is served. */
export interface Registered {
  readonly workflow: Workflow;
  /** When and by whom that version was published. */
  readonly published: PublishedVersion;
}

/** The workflows of the registry as they were read last. */
export interface RegisteredWorkflows {
  readonly served: ReadonlyMap<string, Registered>;
  /** What is wrong with the newest version of a name, by it. */
  readonly faults: ReadonlyMap<string, string>;
  /** Reads what has changed. Answers whether anything has. Throws queue_unavailable. */
  read(): Promise<boolean>;
}

export function createRegisteredWorkflows(
  registry: Pick<WorkflowRegistry, 'list' | 'source'>,
  log: Logger,
): RegisteredWorkflows {
  let served: ReadonlyMap<string, Registered> = new Map();
  let faults: ReadonlyMap<string, string> = new Map();
  /** Newest version of each name, whether it could be opened or not. */
  let newest: ReadonlyMap<string, string> = new Map();

  const open = async (name: string, published: PublishedVersion): Promise<Registered | string> => {
    const text = await registry.source(published.version);
    if (text === undefined) return 'its source is not there';
    try {
      return { workflow: openWorkflow(name, text), published };
    } catch (error) {
      if (error instanceof WorkflowError) return error.faults.join('; ');
      throw error;
    }
  };

  return {
    get served() {
      return served;
    },
    get faults() {
      return faults;
    },
    read: async () => {
      const listed = await registry.list();
      const now = new Map<string, Registered>();
      const wrong = new Map<string, string>();
      let isChanged = listed.size !== newest.size;
      for (const [name, [published]] of listed) {
        if (published === undefined) continue;
        const before = served.get(name);
        const isKnown = newest.get(name) === published.version;
        const fault = isKnown ? faults.get(name) : undefined;
        const opened = isKnown ? (fault ?? before) : await open(name, published);
        isChanged ||= !isKnown;
        if (typeof opened === 'object') now.set(name, opened);
        // the last good version
        else if (before !== undefined) now.set(name, before);
        if (typeof opened !== 'string') continue;
        wrong.set(name, opened);
        if (!isKnown) log.error('a published workflow cannot be used', { workflow: name, fault: opened });
      }
      newest = new Map([...listed].flatMap(([name, [first]]) => (first === undefined ? [] : [[name, first.version]])));
      served = now;
      faults = wrong;
      return isChanged;
    },
  };
}
