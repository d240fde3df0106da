/**
 * A temporary folder that goes away with its `await using`.
 *
 * @module
 */

/** A temporary folder; disposing of it removes it with all it has. */
export interface Folder extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
}

/** Makes a temporary folder, for `purpose`. */
export async function makeFolder(purpose: string): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: `tcp-trio-${purpose}-` });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
