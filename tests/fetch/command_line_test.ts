/**
 * The command line of fetch.ts as a whole; its options have files of their own.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { runFetch } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { answer, command, SHA256 } from "../support/options.ts";
import { helpedOptions } from "../support/option_table.ts";
import { MODIFIED, Origin } from "../support/origin.ts";
import { each } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { some, THOROUGH } from "../support/thorough.ts";

/** The options that the files beside this one test by name. */
async function testedOptions(): Promise<string[]> {
  const names = new Set<string>();
  for await (const { name } of Deno.readDir(import.meta.dirname!)) {
    if (!name.endsWith("_options_test.ts")) continue;
    const source = await Deno.readTextFile(`${import.meta.dirname}/${name}`);
    for (const [, option] of source.matchAll(/\btestOption\(\s*"(--[\w-]+)"/g)) names.add(option!);
  }
  return [...names];
}

/** A good value for each that options take, by its name in the help. */
const GOOD: Record<string, string> = { HEX: SHA256, N: "1", S: "1", SIZE: "5K", "A-B": "0-9" };

Deno.test("fetch.ts --help has all options, each tested by its name, and no other", async () => {
  const names = (await helpedOptions("fetch.ts")).map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  assertEquals(names.toSorted(), (await testedOptions()).toSorted());
});

Deno.test("fetch.ts takes each option of --help as it is shown there", async () => {
  await using folder = new Folder();
  const options = await helpedOptions("fetch.ts");
  const good = options.flatMap(({ letter, name, takes }) =>
    [letter, name].filter((form) => form !== undefined)
      .flatMap((form) => takes ? [form, GOOD[takes] ?? "x"] : [form])
  );
  const { code, stdout, stderr } = await runFetch(folder, [...good, "--help"]);
  assertEquals([code, stderr], [EXIT.ok, ""]);
  assertStringIncludes(stdout, "--help");
  // one of a kind: what is refused comes from the kind, and the name from the table
  const kinds = new Map(options.map((option) => [option.takes, option]));
  await each(THOROUGH ? options : some([...kinds.values()]), async ({ letter, name, takes }) => {
    const forms = takes && letter ? THOROUGH ? [letter, name] : [letter] : [name];
    for (const option of forms) {
      const bad = takes ? option : `${option}=x`;
      const { code, stderr } = await runFetch(folder, [bad]);
      assertEquals(code, EXIT.usage, `${bad} ${stderr}`);
      assertMatch(stderr, takes ? / takes / : /takes no value/);
      assertStringIncludes(stderr, `fetch: ${option} `);
    }
  });
});

Deno.test("fetch.ts refuses what is no option", async () => {
  await using folder = new Folder();
  for (const bad of ["--output-file=x", "-sz", "--HELP"]) {
    const { code, stdout, stderr } = await runFetch(folder, [bad]);
    assertEquals([code, stdout], [EXIT.usage, ""]);
    assertMatch(stderr, /^fetch: unknown option -\S+ \(--help lists them\)\n$/);
  }
});

Deno.test("fetch.ts takes letters together, values joined on, and -- before URLs", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { code, stdout } = await command(folder, origin, ["-sRof", "-HX-A: b", "--", "/file"]);
  assertEquals([code, stdout, folder.names], [EXIT.ok, "", ["f"]]);
  assertEquals(origin.requests[0]!.headers.get("x-a"), "b");
  assertEquals(Deno.statSync(folder.file("f")).mtime, new Date(MODIFIED));
});

Deno.test("fetch.ts saves each URL to its own file, and goes on after a failure", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const urls = ["/404", "http://", "/text", "/503", "/200/"];
  const { code, stderr } = await command(folder, origin, ["--retry=0", ...urls]);
  assertEquals(code, EXIT.status, "the first failure counts");
  assertEquals(folder.names, ["index.html", "text"]);
  const errors = stderr.match(/^fetch: .*$/gm) ?? [];
  assertEquals(errors.length, 3, stderr);
  assertMatch(errors[0]!, /\/404 answered 404/);
  assertMatch(errors[1]!, /malformed URL/);
  assertMatch(errors[2]!, /\/503 answered 503/);
});

Deno.test("fetch.ts saves no two URLs to the same file", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { code, stderr } = await command(folder, origin, ["/text", "/200/text"]);
  assertEquals([code, folder.text("text")], [EXIT.usage, "text"]);
  assertMatch(stderr, /^fetch: text is the file of another URL, too$/m);
  assertEquals(origin.requests.length, 1);
});

Deno.test("fetch.ts sees one file under all its names", async () => {
  await using folder = new Folder();
  Deno.mkdirSync(folder.file("x"));
  Deno.symlinkSync(folder.file("a"), folder.file("link"));
  const named = ["Content-Disposition: attachment; filename=a"];
  await using origin = new Origin(({ target }) => response("200 OK", target, named));
  const others = ["./a", "x/../a", folder.file("a"), "link"];
  const names = ["a", ...others].map((name) => `-o${name}`), urls = names.map((_, at) => `/${at}`);
  for (const args of [[...names, ...urls], ["-J", ...urls]]) {
    const { code, stderr } = await command(folder, origin, ["-s", ...args]);
    assertEquals([code, folder.text("a")], [EXIT.usage, "/0"], args.join(" "));
    assertEquals(stderr.match(/ is the file of another URL, too\n/g)?.length, others.length);
  }
});

Deno.test("fetch.ts checks no two files against the same checksum", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const args = ["--sha256", SHA256, "/text", "/200/other"];
  const { code, stderr } = await command(folder, origin, args);
  assertEquals(code, EXIT.usage);
  assertStringIncludes(stderr, "--sha256");
});

Deno.test("fetch.ts names files after URLs, but never after stdout or a folder", async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "text"));
  const names = {
    "/a/%E4%BD%A0%E5%A5%BD.txt": "你好.txt",
    "/a/b?c=d#e": "b",
    "/": "index.html",
    "/a/..%2f..%2fetc%2fpasswd": ".._.._etc_passwd",
    "/%1b%5b31m": "_[31m",
  };
  const { code, stdout, stderr } = await command(folder, origin, [
    "-s",
    ...Object.keys(names),
    "/-",
  ]);
  assertEquals([code, stdout, folder.names.length], [EXIT.ok, "", 6], stderr);
  for (const name of Object.values(names)) assert(folder.names.includes(name), name);
});

Deno.test("fetch.ts without URL saves the tutorial's page to sina.html", async () => {
  await using folder = new Folder();
  await using proxy = new Origin(() => response("200 OK", "the page"));
  const { code, asked } = await command(folder, proxy, ["-x", proxy.url("")]);
  assertEquals([code, folder.names, folder.text("sina.html")], [
    EXIT.ok,
    ["sina.html"],
    "the page",
  ]);
  assertEquals(asked[0]!.target, "http://www.sina.com.cn/");
});

Deno.test("fetch.ts shows heads so that no terminal obeys them", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const { stdout, stderr } = await command(folder, origin, ["-v", "/secret"]);
  assertStringIncludes(stdout, "X-Odd: a\\x1b[31mb\\x9bc\n");
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(stdout + stderr), "a control character is shown");
});

Deno.test("fetch.ts without permissions says how to grant them, without secrets", async () => {
  await using folder = new Folder();
  await using origin = new Origin(answer);
  const url = origin.url("/text").replace("//", "//joe:secret@");
  const args = [
    "-u",
    "joe:secret",
    "-H",
    "Cookie: a=hidden",
    "-H",
    "Proxy-Authorization: Basic YTpi",
    "--proxy=http://a:veiled@127.0.0.1:1",
    url,
  ];
  for (const permissions of [[], ["--allow-net"], ["--allow-read=."]]) {
    const { code, stdout, stderr } = await runFetch(
      folder,
      args.toSpliced(6, permissions.length ? 1 : 0),
      {
        permissions,
      },
    );
    assertEquals([code, stdout], [EXIT.permission, stdout], stderr);
    assertMatch(
      stderr,
      /fetch: .* is not granted \(run: deno run --allow-net=127\.0\.0\.1:\d+ .*\)\n$/,
    );
    assert(!/secret|hidden|veiled|YTpi/.test(stderr), stderr);
  }
});
