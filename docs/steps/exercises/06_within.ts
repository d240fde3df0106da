import { todo } from "./todo.ts";

/**
 * Gives what `work` gives, if that takes at most `ms` milliseconds. Else it closes `conn`, so that
 * what reads or writes there ends, and throws an Error with the name `"TimeoutError"`. No timer
 * is left.
 */
export async function within<Result>(
  ms: number,
  conn: { close(): void },
  work: Promise<Result>,
): Promise<Result> {
  return await todo(ms, conn, work);
}
