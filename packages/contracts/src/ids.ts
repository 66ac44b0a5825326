import { v7 } from 'uuid';

/** A UUIDv7 in canonical lower-case form: sortable by creation time, and a prompt id that every ComfyUI accepts. */
export function newId(): string {
  return v7();
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a canonical lower-case UUID, the only form in which ids are given out and taken. */
export function isId(text: string): boolean {
  return CANONICAL_UUID.test(text);
}
