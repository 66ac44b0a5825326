import { emitKeypressEvents, type Key } from 'node:readline';
import type { Keyboard } from '../../command.js';

/** Tells of each key by its name (`q`, `up`, `space`, `ctrl-c`), until the function that it answers is called. */
export function onKeys(keyboard: Keyboard, act: (key: string) => void): () => void {
  const onKey = (_text: string | undefined, { name = '', ctrl = false }: Key) => act(ctrl ? `ctrl-${name}` : name);
  emitKeypressEvents(keyboard);
  keyboard.on('keypress', onKey);
  keyboard.setRawMode(true);
  keyboard.resume();
  return () => {
    keyboard.off('keypress', onKey);
    keyboard.setRawMode(false);
    keyboard.pause();
  };
}
