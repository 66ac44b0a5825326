import { script } from '@bomb.sh/tab';

/** A part of the script of zsh that is evaluated once more, with what was typed in it. */
const TYPED = '{BASH_REMATCH}"';
const QUOTED = '{(q)BASH_REMATCH}"';

/** The script of zsh or fish. */
export function libraryScript(shell: 'zsh' | 'fish', program: string): string {
  const { log } = console;
  let text = '';
  // the library writes it there, and has no other way
  console.log = (written: string) => {
    text += written;
  };
  try {
    script(shell, program, program);
  } finally {
    console.log = log;
  }
  return text.replace(TYPED, QUOTED).trimEnd();
}
