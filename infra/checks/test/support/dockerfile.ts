import { type Copy, DockerfileParser, type Instruction, type JSONInstruction } from 'dockerfile-ast';

export interface Stage {
  /** The image in FROM. */
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string | undefined;
  readonly user: string | undefined;
  /** The shell commands, each on one line. */
  readonly runs: readonly string[];
  /** [stage, or undefined for the build context; source; target] */
  readonly copies: readonly (readonly [string | undefined, string, string])[];
  readonly exposed: readonly number[];
  readonly healthcheck: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  /** The text of the instructions, without comments. */
  readonly lines: readonly string[];
}

/** The stages of a Dockerfile, in order. The last one is the image. */
export function stagesOf(text: string): readonly Stage[] {
  const file = DockerfileParser.parse(text);
  const instructions = file.getInstructions();
  const starts = instructions.flatMap((each, index) => (each.getKeyword() === 'FROM' ? [index] : []));
  return starts.map((start, index) => stageOf(instructions.slice(start, starts[index + 1])));
}

function stageOf(instructions: readonly Instruction[]): Stage {
  const all = (keyword: string) => instructions.filter((each) => each.getKeyword() === keyword);
  const last = (keyword: string) => all(keyword).at(-1);
  const args = (each: Instruction | undefined) => each?.getArguments().map((arg) => arg.getValue()) ?? [];
  const health = last('HEALTHCHECK')?.getArgumentsContent() ?? '';
  return {
    image: args(instructions[0])[0] ?? '',
    env: Object.fromEntries(
      all('ENV').flatMap((each) => args(each).map((arg) => arg.split(/=(.*)/s, 2) as [string, string])),
    ),
    workdir: args(last('WORKDIR'))[0],
    user: args(last('USER'))[0],
    runs: all('RUN').map((each) => (each.getArgumentsContent() ?? '').replace(/\\\n\s*/g, ' ')),
    copies: all('COPY').map((each) => {
      const [what = '', to = ''] = args(each);
      const from = (each as Copy).getFromFlag()?.getValue() ?? undefined;
      return [from, what, to] as const;
    }),
    exposed: all('EXPOSE').flatMap((each) => args(each).map(Number)),
    healthcheck: jsonIn(/CMD\s+(\[.*\])/s.exec(health)?.[1]),
    entrypoint: jsonOf(last('ENTRYPOINT')),
    cmd: jsonOf(last('CMD')),
    lines: instructions.map((each) => each.getTextContent()),
  };
}

function jsonOf(instruction: Instruction | undefined): readonly string[] | undefined {
  return jsonIn((instruction as JSONInstruction | undefined)?.getArgumentsContent() ?? undefined);
}

function jsonIn(text: string | undefined): readonly string[] | undefined {
  return text === undefined ? undefined : (JSON.parse(text.replace(/\\\n/g, ' ')) as string[]);
}
