import { todo } from "./todo.ts";

/**
 * Is fed what reads give, and gives the lines that are complete, without their `\n` or `\r\n`.
 *
 * A line may have `limit` bytes; `feed` throws a RangeError as soon as one has more.
 */
export class Lines {
  constructor(limit: number) {
    todo(limit);
  }

  feed(bytes: Uint8Array): string[] {
    return todo(bytes);
  }
}
