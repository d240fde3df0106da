/** Writes all of `bytes`, though each `sink.write` may take only some of them. */
export async function writeAll(
  sink: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let n = 0; n < bytes.length;) n += await sink.write(bytes.subarray(n));
}
