/**
 * Standard streams that nobody reads, that are full or closed: nothing waits for them that has a
 * limit, and signals work.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { Origin } from "../support/origin.ts";
import { denoArgs, run } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { some } from "../support/thorough.ts";

/** More than a pipe holds. */
const MUCH = Array.from({ length: 25 }, (_, at) => `X-${at}: ${"x".repeat(10_000)}`);

/** A server whose head is more than a pipe holds; no validator is in it. */
function talking(): Origin {
  return new Origin(() => response("200 OK", "body", MUCH));
}

/** Starts fetch.ts with pipes that nobody reads, but for the first byte of one: then it is full. */
async function stuck(
  folder: Folder,
  args: string[],
  stream: "stdout" | "stderr",
  signal?: Deno.Signal,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArgs("fetch.ts", args),
    cwd: folder.path,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child[stream].getReader({ mode: "byob" });
  await reader.read(new Uint8Array(1));
  if (signal) child.kill(signal);
  const { code } = await child.status;
  await reader.cancel();
  await child[stream === "stdout" ? "stderr" : "stdout"].cancel();
  return code;
}

const ENDS: [how: string, args: string[], signal: Deno.Signal | undefined, code: number][] = [
  ["--max-time", ["--max-time=0.5"], undefined, EXIT.timeout],
  ["Ctrl+C", [], "SIGINT", EXIT.interrupted],
  ["SIGTERM", [], "SIGTERM", 143],
];

/** What is written to stdout. */
const WRITTEN = [["-o", "f"], ["--json", "-o", "g"], ["-I"]];

for (const [how, args, signal, code] of ENDS) {
  Deno.test(`fetch.ts whose stdout nobody reads is ended by ${how}`, async () => {
    await using folder = new Folder();
    await using origin = talking();
    // they only wait, so they do it side by side
    await Promise.all((how === "--max-time" ? WRITTEN : some(WRITTEN)).map(async (options) => {
      const words = [...args, ...options, origin.url()];
      assertEquals(await stuck(folder, words, "stdout", signal), code, words.join(" "));
    }));
  });

  Deno.test(`fetch.ts -o - whose stdout nobody reads is ended by ${how}`, async () => {
    await using folder = new Folder();
    await using origin = new Origin(() => response("200 OK", new Uint8Array(1_000_000)));
    const words = [...args, "-q", "-o", "-", origin.url()];
    assertEquals(await stuck(folder, words, "stdout", signal), code);
  });
}

Deno.test("fetch.ts is done though nobody reads its stderr", async () => {
  await using folder = new Folder();
  await using origin = talking();
  assertEquals(await stuck(folder, ["-v", "-s", "-o", "f", origin.url()], "stderr"), EXIT.ok);
  assertEquals(folder.text("f"), "body");
});

/** Runs fetch.ts in a folder, its streams redirected as a shell does it. */
function redirected(folder: Folder, redirection: string, args: string[]) {
  const command = [Deno.execPath(), ...denoArgs("fetch.ts", args)];
  return run("sh", ["-c", `"$@" ${redirection}`, "sh", ...command], { cwd: folder.path });
}

Deno.test("fetch.ts says that stdout is full, and ends with 23", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "body"));
  for (const args of [["-o", "f"], ["--json", "-o", "g"], ["-I"], ["-q", "-o", "-"]]) {
    const { code, stderr } = await redirected(folder, ">/dev/full", [...args, origin.url()]);
    assertEquals(code, EXIT.write, `${args}: ${stderr}`);
    assertMatch(stderr, /^fetch: cannot write (to )?stdout: No space left on device\b.*\n$/m);
  }
  const args = ["--json", "-o", "f", "ftp://a.example/"]; // whose error is the one that counts
  assertEquals((await redirected(folder, ">/dev/full", args)).code, EXIT.unexpected);
});

Deno.test("fetch.ts ends as it would though stderr is full, or gone", async () => {
  await using folder = new Folder();
  await using origin = new Origin(({ target }) =>
    target === "/404" ? response("404 Gone") : response("200 OK", "body")
  );
  for (const redirection of ["2>/dev/full", "2>&-"]) {
    for (const [path, expected] of [["/f", EXIT.ok], ["/404", EXIT.status]] as const) {
      const { code } = await redirected(folder, redirection, ["-v", origin.url(path)]);
      assertEquals(code, expected, `${redirection} ${path}`);
    }
  }
  assertEquals([folder.names, folder.text("f")], [["f"], "body"]);
});

Deno.test("fetch.ts looks at the folder before it asks the server", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "body"));
  const { code, stderr } = await runFetch(folder, ["-o", "no/such/f", origin.url()]);
  assertEquals([code, origin.requests.length], [EXIT.write, 0]);
  assertEquals(
    stderr,
    "fetch: cannot write no/such/f: there is no folder no/such/ (--output-dir makes one)\n",
  );
});
