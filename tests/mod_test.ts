import { assert, assertEquals, assertRejects, assertThrows } from "jsr:@std/assert@^1.0.0";
import {
  EXIT,
  parseNumber,
  parseOptions,
  printable,
  readAll,
  readUntilEof,
  TrioError,
  VERSION,
  writeAll,
} from "../mod_old.ts";
import { fc } from "./support/fuzz.ts";
import { ROOT, run } from "./support/process.ts";

/** A source that gives `pieces`, one a read, as a socket might. */
function source(pieces: Uint8Array[]): Pick<Deno.Conn, "read"> {
  const left = pieces.filter((piece) => piece.length > 0);
  return {
    read(p) {
      const piece = left.shift();
      if (piece === undefined) return Promise.resolve(null);
      const n = Math.min(piece.length, p.length);
      p.set(piece.subarray(0, n));
      if (n < piece.length) left.unshift(piece.subarray(n));
      return Promise.resolve(n);
    },
  };
}

const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
const joined = (parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));

Deno.test("readUntilEof gives all bytes in chunks that stay as they are", async () => {
  await fc.assert(fc.asyncProperty(pieces, async (parts) => {
    const chunks = await Array.fromAsync(readUntilEof(source(parts)));
    assertEquals(joined(chunks), joined(parts));
  }));
});

Deno.test("readAll collects up to its limit and not a byte more", async () => {
  await fc.assert(fc.asyncProperty(pieces, async (parts) => {
    const all = joined(parts);
    assertEquals(await readAll(source(parts), all.length), all);
    if (all.length > 0) {
      await assertRejects(() => readAll(source(parts), all.length - 1), RangeError);
    }
  }));
});

Deno.test("readAll does not wait for an endless source", async () => {
  const endless = { read: (p: Uint8Array) => Promise.resolve(p.length) };
  await assertRejects(() => readAll(endless, 1_000_000), RangeError);
});

Deno.test("writeAll writes all where each write takes some", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), async (
      bytes,
      most,
    ) => {
      const taken: Uint8Array[] = [];
      await writeAll({
        write(p) {
          taken.push(p.slice(0, most));
          return Promise.resolve(Math.min(p.length, most));
        },
      }, bytes);
      assertEquals(joined(taken), bytes);
    }),
  );
});

Deno.test("printable shows C0, DEL and C1 but newline and tab, and leaves the rest", () => {
  assertEquals(printable("a\x1b[2J\x07\r\x7f\x9b b\n\tc"), "a\\x1b[2J\\x07\\x0d\\x7f\\x9b b\n\tc");
  assertEquals(printable("你好 🦕 é"), "你好 🦕 é");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert(!/[^\P{Cc}\n\t]/u.test(printable(text)));
  }));
});

const TAKES = { port: "a port", header: "a line" };
const parse = (...args: string[]) =>
  parseOptions(args, TAKES, ["quiet", "no-fail"], { p: "port", H: "header", q: "quiet" });

Deno.test("parseOptions takes values with = or a space, of letters attached too", () => {
  const forms = [["--port", "1"], ["--port=1"], ["-p", "1"], ["-p1"], ["-p=1"], ["-qp1"]];
  for (const args of forms) assertEquals(parse(...args).port, ["1"], args.join(" "));
});

Deno.test("parseOptions takes values that look like options or booleans", () => {
  assertEquals(parse("--header", "-X: 1", "-H", "true", "--header=a=b", "-H", "-").header, [
    "-X: 1",
    "true",
    "a=b",
    "-",
  ]);
  const { quiet, _ } = parse("-q", "true", "--no-fail", "false", "1e3");
  assertEquals([quiet, _], [true, ["true", "false", "1e3"]]);
});

Deno.test("parseOptions keeps what follows -- and lone dashes as arguments", () => {
  assertEquals(parse("a", "-", "--", "-q", "--port", "--")._, ["a", "-", "-q", "--port", "--"]);
  assertEquals(parse().quiet, false);
});

Deno.test("parseOptions refuses what is unknown, lacks a value or has one too many", () => {
  const cases: [string[], string][] = [
    [["--nope"], "unknown option --nope"],
    [["-z"], "unknown option -z"],
    [["-qz"], "unknown option -z"],
    [["--constructor"], "unknown option --constructor"],
    [["--=x"], "unknown option --"],
    [["--port"], "--port takes a port"],
    [["--port="], "--port takes a port"],
    [["-p"], "-p takes a port"],
    [["--quiet=yes"], "--quiet takes no value"],
    [["-q=1"], "-q takes no value"],
  ];
  for (const [args, message] of cases) {
    const error = assertThrows(() => parse(...args), TrioError, message);
    assertEquals(error.code, EXIT.usage);
  }
});

Deno.test("parseNumber takes decimal numbers within its bounds only", () => {
  assertEquals(parseNumber("port", "0", 0, 65535), 0);
  assertEquals(parseNumber("port", "65535", 0, 65535), 65535);
  assertEquals(parseNumber("wait", "0.25", 0.001, 10, false), 0.25);
  for (const text of ["abc", "-1", "65536", "1.5", "0x10", "1e3", " 1", "+1", "NaN", "٣"]) {
    const error = assertThrows(() => parseNumber("port", text, 0, 65535), TrioError, "--port");
    assertEquals(error.code, EXIT.usage, text);
  }
});

Deno.test("report says one printable line, how to grant what is missing, and the code", async () => {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    script,
    `import { report, TrioError } from "${new URL("mod.ts", `file://${ROOT}`)}";
    const command = () => ["--allow-net=a:1", "x.ts", "it's", "a b"];
    const denied = await Deno.connect({ hostname: "a", port: 1 }).catch((error) => error);
    const errors = [new TrioError(28, "late\\n\\x1b[2J"), new TypeError("bug"), "text", denied];
    console.log(errors.map((error) => report("x", error, command)).join());`,
  );
  const config = `--config=${ROOT}deno.json`;
  const { stdout, stderr } = await run(Deno.execPath(), ["run", "--no-prompt", config, script]);
  await Deno.remove(script);
  assertEquals(stdout, "28,1,1,77\n");
  assertEquals(stderr.trimEnd().split("\n"), [
    "x: late\\n\\x1b[2J",
    "x: bug",
    "x: text",
    `x: net access to "a:1" is not granted (run: deno run --allow-net=a:1 x.ts 'it'\\''s' 'a b')`,
  ]);
});

Deno.test("report keeps a line short, however much a peer sent", async () => {
  const { stderr } = await run(Deno.execPath(), [
    "eval",
    `import { report } from "${ROOT}mod.ts"; report("x", "y".repeat(1e6), () => []);`,
  ]);
  assert(stderr.startsWith("x: yyy") && stderr.length <= 2001, `${stderr.length}`);
});

Deno.test("VERSION is the version in deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  assertEquals(VERSION, version);
});

Deno.test("EXIT is the table of the README", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const table = readme.slice(readme.indexOf("## Exit codes"), readme.indexOf("## Layout"));
  const codes = [...table.matchAll(/\| +([\d, ]+?) +\|/g)].flatMap(([, cell]) => cell!.split(", "));
  const numbers = codes.map(Number).sort((a, b) => a - b);
  assertEquals(numbers, Object.values(EXIT).sort((a, b) => a - b));
});

Deno.test("mod.ts is tiny, and nothing imports what it should not", async () => {
  const text = (name: string) => Deno.readTextFile(`${ROOT}${name}`);
  assert((await text("mod.ts")).split("\n").length <= 151);
  for (const name of ["mod.ts", "fetch.ts", "server.ts", "client.ts"]) {
    const imports = [
      ...(await text(name)).matchAll(/^(?:import|export) .*from "(.*)";$|^} from "(.*)";$/gm),
    ]
      .map(([, one, other]) => one ?? other!);
    const allowed = /^(\.\/mod\.ts|@std\/(cli|streams)\/.*)$/;
    assertEquals(imports.filter((specifier) => !allowed.test(specifier)), [], name);
  }
});
