import { todo } from "./todo.ts";

/** Writes all of `bytes`, though each `sink.write` may take only some of them. */
export async function writeAll(
  sink: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  await todo(sink, bytes);
}
