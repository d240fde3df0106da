/**
 * How the options of fetch.ts are tested: command lines in an empty folder, with a
 * server that answers by path.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { noise } from "./bytes.ts";
import { runFetch } from "./fetch.ts";
import { Folder } from "./folder.ts";
import { type Asked, MODIFIED, Origin, serveResource } from "./origin.ts";
import { type RunOptions } from "./process.ts";
import { response } from "./replies.ts";
import { some } from "./thorough.ts";

/** What a command line did, and what is there after it. */
export interface Done {
  code: number;
  stdout: string;
  stderr: string;
  bytes: Uint8Array;
  /** What the server was asked, in its order. */
  asked: Asked[];
  folder: Folder;
  origin: Origin;
}

/** Tests an option: `fn` runs command lines of fetch.ts, in an empty folder and with a server. */
export function testOption(
  name: string,
  sentence: string,
  fn: (
    run: (...args: string[]) => Promise<Done>,
    folder: Folder,
    origin: Origin,
  ) => Promise<void>,
) {
  Deno.test(`fetch.ts ${name} ${sentence}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(answer);
    await fn((...args) => command(folder, origin, args), folder, origin);
  });
}

/** Runs fetch.ts; an argument that starts with a slash is a path of the server. */
export async function command(
  folder: Folder,
  origin: Origin,
  args: string[],
  options: RunOptions = {},
): Promise<Done> {
  const before = origin.requests.length;
  const words = args.map((word) => word.startsWith("/") ? origin.url(word) : word);
  const done = await runFetch(folder, words, options);
  return { ...done, asked: origin.requests.slice(before), folder, origin };
}

/** What the server answers to each path. */
export function answer(asked: Asked): ReturnType<typeof response> {
  const { target } = asked;
  const [, status] = /^\/(\d{3})/.exec(target) ?? [];
  if (target.startsWith("/hop")) {
    const left = Number(target.slice(4));
    return response("302 Found", "moved", [`Location: ${left > 1 ? `/hop${left - 1}` : "/text"}`]);
  }
  if (status) return response(`${status} Whatever`, `body of ${status}`);
  if (target === "/text") return response("200 OK", "text", ["Content-Type: text/plain"]);
  if (target === "/secret") {
    const odd = ["X-Odd: a\x1b[31mb\x9bc", "X\x7f\x9bY: z", "__proto__: p", "constructor: c"];
    return response("200 OK", "", [...odd, "Set-Cookie: a=b"]);
  }
  const size = /^\/size(\d+)/.exec(target)?.[1] ?? 256;
  return serveResource(asked, { body: noise(Number(size)), lastModified: MODIFIED });
}

/** Fails unless the command line was refused in one line that matches. */
export function assertUsage({ code, stdout, stderr }: Done, line: RegExp) {
  assertEquals(code, EXIT.usage, stderr);
  assertEquals(stdout, "");
  assertMatch(stderr, /^fetch: [^\n]*\n$/);
  assertMatch(stderr, line);
}

/** The SHA-256 of "text". */
export const SHA256 = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";

/** Bad seconds of the options that take them. */
export async function testSeconds(name: string, run: (...args: string[]) => Promise<Done>) {
  for (const bad of some(["0", "1h", "-1", "1e3"])) {
    const pattern = new RegExp(`${name} takes .*, not "${bad}"`);
    assertUsage(await run(name, bad, "/text"), pattern);
  }
}
