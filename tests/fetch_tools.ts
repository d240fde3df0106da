/**
 * What the tests of fetch.ts share: a server that answers as it is told, a
 * resource with ranges and validators, and a folder that removes itself.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { TrioError, writeAll } from "../mod.ts";
import { FakeServer, type Finished, type RunOptions, runScript } from "./testing.ts";

/** A request as it came. */
export interface Asked {
  /** The request line and the header lines. */
  lines: string[];
  /** The method. */
  method: string;
  /** The target, mostly a path. */
  target: string;
  /** The header. */
  headers: Headers;
}

/** In the place of an answer's piece: says nothing more until the test is over. */
export const HOLD: unique symbol = Symbol();

/** An answer: its pieces in their order, and what is waited for between them. */
export type Answer = string | (string | Uint8Array | Promise<unknown> | typeof HOLD)[];

/** Gives the answer to the request that is the `count`th for its target. */
export type Answering = (asked: Asked, count: number) => Answer | Promise<Answer>;

/** A server that writes what it is told to and then closes the connection. */
export class Origin extends FakeServer {
  /** All requests in their order. */
  readonly requests: Asked[];
  #end: () => void;

  /** Answers each request with what `answer` gives. */
  constructor(answer: Answering) {
    const requests: Asked[] = [];
    const end = Promise.withResolvers<void>();
    super(async (conn) => {
      const asked = await readRequest(conn);
      requests.push(asked);
      const count = requests.filter(({ target }) => target === asked.target).length;
      for (const piece of [await answer(asked, count)].flat()) {
        if (typeof piece === "string") await writeAll(conn, new TextEncoder().encode(piece));
        else if (piece instanceof Uint8Array) await writeAll(conn, piece);
        else await (piece === HOLD ? end.promise : piece);
      }
    });
    this.requests = requests;
    this.#end = end.resolve;
  }

  /** Lets go of all who wait for the end, and closes all. */
  override async [Symbol.asyncDispose]() {
    this.#end();
    await super[Symbol.asyncDispose]();
  }

  /** The URL of `path`. */
  url(path: string = "/file"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** The `Range` of each request for `path`, or `undefined` where there was none. */
  ranges(path: string = "/file"): (string | undefined)[] {
    return this.requests.filter(({ target }) => target === path)
      .map(({ headers }) => headers.get("range") ?? undefined);
  }
}

async function readRequest(conn: Deno.Conn): Promise<Asked> {
  let text = "";
  const buffer = new Uint8Array(16 * 1024);
  while (!text.includes("\r\n\r\n")) {
    const n = await conn.read(buffer);
    if (n === null) throw new Error("it ended in the head");
    text += new TextDecoder().decode(buffer.subarray(0, n));
  }
  const lines = text.trimEnd().split("\r\n");
  const [method = "", target = ""] = lines[0]!.split(" ");
  const headers = new Headers(
    lines.slice(1).map((line) => line.split(/: ?(.*)/s, 2) as [string, string]),
  );
  return { lines, method, target, headers };
}

/** A response with this status and these header lines, framed by its length. */
export function response(
  status: string,
  body: string | Uint8Array = "",
  headers: string[] = [],
): [head: string, body: Uint8Array] {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const lines = [`HTTP/1.1 ${status}`, `Content-Length: ${bytes.length}`, ...headers];
  return [`${lines.join("\r\n")}\r\n\r\n`, bytes];
}

/** A resource, and how well its server knows RFC 9110. */
export interface Resource {
  /** Its bytes. */
  body: Uint8Array;
  /** Its ETag with the quotes. */
  etag?: string;
  /** Its Last-Modified. */
  lastModified?: string;
  /** Whether Range means something to the server (true). */
  ranges?: boolean;
  /** Whether If-Range means something to the server (true). */
  ifRange?: boolean;
  /** How many bytes of the body it sends before it closes (all). */
  cut?: number;
}

/** The answer of a server that has this resource (RFC 9110 sections 13 and 14). */
export function serve({ headers: asked }: Asked, resource: Resource): [string, Uint8Array] {
  const { body, etag, lastModified, ranges = true, ifRange = true, cut = body.length } = resource;
  const headers = [
    ...etag ? [`ETag: ${etag}`] : [],
    ...lastModified ? [`Last-Modified: ${lastModified}`] : [],
  ];
  const condition = asked.get("if-range");
  const same = !ifRange || condition === null ||
    condition === (condition.startsWith('"') ? etag : lastModified);
  const offset = /^bytes=(\d+)-$/.exec(asked.get("range") ?? "")?.[1];
  const total = body.length;
  if (!ranges || !same || offset === undefined) {
    return cutAt(cut, response("200 OK", body, headers));
  }
  const first = Number(offset);
  if (first >= total) {
    return response("416 Range Not Satisfiable", "", [`Content-Range: bytes */${total}`]);
  }
  const range = `Content-Range: bytes ${first}-${total - 1}/${total}`;
  return cutAt(cut, response("206 Partial Content", body.subarray(first), [range, ...headers]));
}

/** A response whose body is cut after so many bytes. */
export function cutAt(cut: number, [head, body]: [string, Uint8Array]): [string, Uint8Array] {
  return [head, body.subarray(0, cut)];
}

/** Bytes of which no two parts look alike; another `seed` gives others. */
export function noise(length: number, seed: number = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let at = 0; at < words.length; at++) {
    // xorshift32: small, quick, and the same in each run
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Whether `bytes` are the first of `whole`. */
export function isPrefix(bytes: Uint8Array, whole: Uint8Array): boolean {
  return bytes.length <= whole.length && bytes.every((byte, at) => byte === whole[at]);
}

/** Whether these are the same bytes. Quicker than `assertEquals` if they are many. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && isPrefix(a, b);
}

/** A folder for one test; disposing of it removes it. */
export class Folder implements AsyncDisposable {
  /** Where it is. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "tcp-trio-fetch-" });

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

/** While it lasts, pauses of whole seconds, as there are between two tries, pass at once. */
export function hurry(): Disposable & { pauses: number[] } {
  const pauses: number[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((callback: () => void, ms = 0) => {
    if (ms < 1000 || ms % 1000 > 0) return setTimeout(callback, ms);
    pauses.push(ms / 1000);
    return setTimeout(callback, 0);
  }) as typeof setTimeout;
  return { pauses, [Symbol.dispose]: () => void (globalThis.setTimeout = setTimeout) };
}

/** How fetch.ts may write: with read access, or without. */
export const MODES = {
  "FILE.part": ["--allow-net=127.0.0.1", "--allow-read=.", "--allow-write=."],
  "FILE": ["--allow-net=127.0.0.1", "--allow-write=."],
} as const;

/** Runs fetch.ts in `folder`, with read and write access to it if nothing else is said. */
export function fetch(
  folder: Folder,
  args: string[],
  options: RunOptions = {},
): Promise<Finished> {
  const permissions = [...MODES["FILE.part"]];
  return runScript("fetch.ts", args, { cwd: folder.path, permissions, ...options });
}

/** What a failed download of the library throws; its code is checked. */
export async function failure(code: number, pending: Promise<unknown>): Promise<TrioError> {
  const error = await assertRejects(() => pending, TrioError);
  assertEquals(error.code, code, error.message);
  return error;
}
