/**
 * A temporary folder that goes away with its `await using`.
 *
 * @module
 */

/** A folder for one test; disposing of it removes it. */
export class Folder implements AsyncDisposable {
  /** Where it is. */
  readonly path: string;

  /** Makes it; its name says the `purpose`. */
  constructor(purpose = "test") {
    this.path = Deno.makeTempDirSync({ prefix: `tcp-trio-${purpose}-` });
  }

  /** The path of `name` in it. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** The names in it, in their order. */
  get names(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
  }

  /** Writes a file into it and returns its path; `mtime` is an HTTP date. */
  write(name: string, content: string | Uint8Array, mtime?: string): string {
    const path = this.file(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    if (mtime) Deno.utimeSync(path, new Date(mtime), new Date(mtime));
    return path;
  }

  /** The text of a file in it. */
  text(name: string): string {
    return Deno.readTextFileSync(this.file(name));
  }

  /** The bytes of a file in it. */
  bytes(name: string): Uint8Array {
    return Deno.readFileSync(this.file(name));
  }

  /** Waits until `name` in it has at least `size` bytes. */
  async grown(name: string, size: number): Promise<void> {
    using watcher = Deno.watchFs(this.path);
    const grown = () => {
      try {
        return Deno.statSync(this.file(name)).size >= size;
      } catch {
        return false; // it is not there yet
      }
    };
    if (grown()) return;
    for await (const _ of watcher) {
      if (grown()) return;
    }
  }

  /** Removes it. */
  async [Symbol.asyncDispose]() {
    await Deno.remove(this.path, { recursive: true });
  }
}
