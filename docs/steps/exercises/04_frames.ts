import { todo } from "./todo.ts";

/** Puts the length in front of a message: 4 bytes, the most significant first. */
export function frame(message: Uint8Array): Uint8Array {
  return todo(message);
}

/** Is fed what reads give, and gives the messages that are complete, without their lengths. */
export class Frames {
  feed(bytes: Uint8Array): Uint8Array[] {
    return todo(bytes);
  }
}
