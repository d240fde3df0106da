/**
 * Reads `count` bytes, in as many reads as it takes, and not one more.
 *
 * @throws {Error} that says how many of how many bytes came, if EOF comes first: `"2 of 5 bytes"`.
 */
export async function readExactly(
  source: { read(buffer: Uint8Array): Promise<number | null> },
  count: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count;) {
    const n = await source.read(bytes.subarray(filled)); // never beyond what was asked for
    if (n === null) throw new Error(`the stream ended after ${filled} of ${count} bytes`);
    filled += n;
  }
  return bytes;
}
