import { describeNode, type Graph, nodeAt, type Place } from './graph.js';

export interface Fault {
  readonly problem: string;
  /** Where in the graph it is. */
  readonly at?: Place;
  /** The entry of a bindings file that would settle it. */
  readonly settledBy?: Readonly<Record<string, unknown>>;
  /** Ids of the nodes that are possible. */
  readonly between?: readonly string[];
  /** The graph seems to have no place for it, which is only an error if it needs one. */
  readonly absent?: true;
  /** The bindings file itself is wrong, not the workflow. */
  readonly inBindings?: true;
}

/** The errors of one file; the loader adds the files' names. Never leaves this package. */
export class FileFault extends Error {
  readonly faults: readonly Fault[];

  constructor(...faults: readonly (Fault | string)[]) {
    super();
    this.faults = faults.map((fault) => (typeof fault === 'string' ? { problem: fault } : fault));
    this.message = this.faults.map(({ problem }) => problem).join('\n');
  }
}

/** Runs all steps and answers their errors. */
export function gatherFaults(steps: readonly (() => void)[]): Fault[] {
  const faults: Fault[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      faults.push(...error.faults);
    }
  }
  return faults;
}

/** The workflows folder cannot be used. `faults` lists what is wrong: the file, what, and how to fix it. */
export class WorkflowError extends Error {
  readonly faults: readonly string[];
  /** Where in the graph each of them is, as far as that is known. */
  readonly places: readonly (Place | undefined)[];

  constructor(faults: readonly string[], places: readonly (Place | undefined)[] = []) {
    super(['The workflows are wrong:', ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.name = 'WorkflowError';
    this.faults = faults;
    this.places = places;
  }
}

/** The error for several nodes that are possible for a role. */
export function compete(graph: Graph, role: string, ids: readonly string[]): Fault {
  const inOrder = Object.keys(graph).filter((id) => ids.includes(id));
  const [first = ''] = inOrder;
  return {
    problem: `${inOrder.map((id) => describeNode(graph, id)).join(' and ')} compete for ${role}`,
    settledBy: { [role]: shortName(graph, first) },
    between: inOrder,
  };
}

/** The title if it is unique, because it survives renumbering. */
function shortName(graph: Graph, id: string): string {
  const title = nodeAt(graph, id)._meta?.title;
  const bearers = Object.values(graph).filter((node) => node._meta?.title === title);
  return title == null || bearers.length > 1 || Object.hasOwn(graph, title) ? id : title;
}
