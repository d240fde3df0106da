import { todo } from "./todo.ts";

/**
 * Reads `count` bytes, in as many reads as it takes, and not one more.
 *
 * @throws {Error} that says how many of how many bytes came, if EOF comes first: `"2 of 5 bytes"`.
 */
export async function readExactly(
  source: { read(buffer: Uint8Array): Promise<number | null> },
  count: number,
): Promise<Uint8Array> {
  return await todo(source, count);
}
