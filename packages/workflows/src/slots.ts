import type { Slot } from './graph.js';

export const sameSlot = (a: Slot, b: Slot): boolean => a.node === b.node && a.input === b.input;

export const distinctSlots = (slots: readonly Slot[]): Slot[] =>
  slots.filter((slot, index) => slots.findIndex((other) => sameSlot(other, slot)) === index);
