/**
 * client.ts as people use it, with servers that do their duty.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "jsr:@std/assert@^1.0.0";
import { serve } from "../../server.ts";
import { runClient, startClient, tutorialServer } from "../support/client.ts";
import { Folder } from "../support/folder.ts";
import { IPV6 } from "../support/peers.ts";
import { denoArgs, ROOT, run, Running, runScript } from "../support/process.ts";
import { FakeServer } from "../support/servers.ts";
import { some } from "../support/thorough.ts";

Deno.test("client.ts sends what the tutorial's client sends, each name after a reply", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const { code, stdout, stderr } = await runClient(server.port, []);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n");
  assertEquals(messages, ["Michael", "Tracy", "Sarah", "exit"]);
});

for (const lines of [false, true]) {
  const option = lines ? ["--lines"] : [];
  Deno.test(`client.ts ${option} greets with spaces, 中文, emoji and controls, until exit`, async () => {
    await using server = serve({ port: 0, delay: 0, lines });
    const names = ["Ada Lovelace", " ", "小明", "👩‍👩‍👧‍👦", "a\tb", "\x1b[31mred", "a\rb", "exit "];
    const args = [...option, "--", ...names, "exit", "Bob"];
    const { code, stdout } = await runClient(server.addr.port, args);
    const shown = names.map((name) =>
      `Hello, ${name.replace("\x1b", "\\x1b").replace("\r", "\\x0d")}!\n`
    );
    assertEquals({ code, stdout }, { code: 0, stdout: `Welcome!\n${shown.join("")}` });
  });

  Deno.test(`client.ts ${option} refuses a name with a newline before it connects`, async () => {
    let connections = 0;
    await using server = new FakeServer(() => void connections++);
    for (const name of some(["a\n", "a\nb", "\n"])) {
      const { code, stderr } = await runClient(server.port, [...option, name]);
      assertEquals(code, 2);
      assertMatch(stderr, /^client: ".*" has a newline.*\n$/);
    }
    assertEquals(connections, 0);
  });
}

Deno.test("client.ts refuses an empty name, as an argument and from stdin", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const refused = await runClient(server.addr.port, ["Ada", ""]);
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertStringIncludes(refused.stderr, "with --lines it can");
  const late = await runClient(server.addr.port, ["-"], "Ada\n\nBob\n");
  assertEquals([late.code, late.stdout], [2, "Welcome!\nHello, Ada!\n"]);
});

Deno.test("client.ts --lines greets with an empty name and with 64 KiB, also from stdin", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true });
  const name = "小".repeat(64 * 1024 / 3);
  const args = ["--lines", "", name, "-"];
  const { code, stdout } = await runClient(server.addr.port, args, "Ada\n\nBob\n");
  assertEquals(code, 0);
  const names = ["", name, "Ada", "", "Bob"];
  assert(stdout === `Welcome!\n${names.map((name) => `Hello, ${name}!\n`).join("")}`);
});

Deno.test("client.ts connects to an IPv6 address, in brackets or not", async () => {
  if (!IPV6) return;
  await using server = serve({ hostname: "::1", port: 0, delay: 0 });
  for (const hostname of ["::1", "[::1]"]) {
    const args = ["--hostname", hostname, "-p", `${server.addr.port}`, "--json", "Ada"];
    const { code, stdout } = await runScript("client.ts", args);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `"server":"[::1]:${server.addr.port}"`);
  }
});

Deno.test("client.ts -q - reads names from stdin, ended by CRLF, LF or nothing, and shows none", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const names = "\ufeff小明\r\nTracy\nlast one";
  const { code, stdout, stderr } = await runClient(server.port, ["-q", "Ada", "-", "Bob"], names);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  assertEquals(messages, ["Ada", "小明", "Tracy", "last one", "Bob", "exit"]);
});

Deno.test("client.ts - refuses what is not UTF-8", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const { code, stderr } = await runClient(server.addr.port, ["-"], new Uint8Array([65, 255, 10]));
  assertEquals([code, stderr], [2, "client: stdin is not UTF-8\n"]);
});

Deno.test("client.ts - greets with 300 names from a pipe, one at a time", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  // 180 KB: reads end within a character, too
  const names = Array.from({ length: 300 }, (_, i) => `${"小明".repeat(100)} ${i}`);
  const { code, stdout } = await runClient(server.port, ["-"], names.join("\n"));
  assertEquals(code, 0);
  assertEquals(messages, [...names, "exit"]); // two in one read would be one here
  assertEquals(stdout.split("\n").length, 302);
});

Deno.test("client.ts - reads no more names than it needs", async () => {
  await using server = tutorialServer([], 200);
  await using child = startClient(server.port, ["--quiet", "-"], true);
  const block = "name\n".repeat(10_000);
  let taken = 0;
  await assertRejects(async () => {
    for (;; taken += block.length) await child.type(block);
  }, Error);
  assertEquals((await child.ended()).code, 56);
  assert(taken < 1_000_000, `it took ${taken} bytes for 200 names`);
});

Deno.test("client.ts -i asks for names until exit, and again after an empty line", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const typed = "Ada\n\nBob\nexit\nCy\n";
  const { code, stdout, stderr } = await runClient(server.port, ["-i", "Eve"], typed);
  const replies = ["Eve", "Ada", "Bob"].map((name) => `Hello, ${name}!\n`);
  assertEquals({ code, stdout }, { code: 0, stdout: `Welcome!\n${replies.join("")}` });
  assertEquals(stderr, "Name: ".repeat(4));
  assertEquals(messages, ["Eve", "Ada", "Bob", "exit"]);
});

Deno.test("client.ts -i asks for the next name below the reply, not beside it", async () => {
  await using folder = new Folder();
  await using server = serve({ port: 0, delay: 0, lines: true, maxMessage: 2 ** 21 });
  const fifo = folder.file("stdout"), name = "x".repeat(1_000_000);
  await run("mkfifo", [fifo]);
  const command = denoArgs("client.ts", ["-i", "--lines", `--port=${server.addr.port}`]);
  const args = ["-c", 'exec "$0" "$@" > "$STDOUT"', Deno.execPath(), ...command];
  await using child = new Running("sh", args, { typing: true, env: { STDOUT: fifo } });
  using stdout = await Deno.open(fifo);
  await child.heard("stderr", /^Name: $/);
  await child.type(`${name}\n`);
  const buffer = new Uint8Array(65536), total = "Welcome!\nHello, !\n".length + name.length;
  for (let read = 0; read < total; read += (await stdout.read(buffer))!) {
    // a pipe holds 64 KiB: the end of the reply waits outside
    if (read < total - 200_000) assertEquals(child.stderr, "Name: ");
  }
  await child.heard("stderr", /^Name: Name: $/);
  await child.endInput();
  assertEquals((await child.ended()).code, 0);
});

Deno.test("client.ts -i --lines greets with an empty line, too", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true });
  const { code, stdout } = await runClient(server.addr.port, ["-i", "--lines"], "Ada\n\nBob\n");
  assertEquals([code, stdout], [0, "Welcome!\nHello, Ada!\nHello, !\nHello, Bob!\n"]);
});

Deno.test("client.ts --json shows one object a line", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const { port } = server.addr;
  const args = ["--hostname", "localhost", "-p", `${port}`, "--json", '"小明"'];
  const { stdout } = await runScript("client.ts", args);
  const [welcome, reply, ...more] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const address = `127.0.0.1:${port}`;
  const { time, ...rest } = welcome;
  const asked = `localhost:${port}`;
  assertEquals(rest, { event: "welcome", server: asked, address, welcome: "Welcome!" });
  assertEquals(new Date(time).toISOString(), time);
  assert(time <= reply.time && Date.now() - Date.parse(reply.time) < 60_000, reply.time);
  assert(reply.ms > 0);
  delete reply.ms, delete reply.time;
  assertEquals(reply, { event: "reply", address, name: '"小明"', reply: 'Hello, "小明"!' });
  assertEquals(more, []);
});

Deno.test("client.ts says what a bad command line should be", async () => {
  const numbers: [string[], RegExp][] = [
    [["--ping", "--max-loss", "101"], /--max-loss takes a number from 0 to 100, not "101"/],
    [["--timeout", "0"], /--timeout takes .* from 0\.001/],
    [["--wait", "-1"], /--wait takes a number from 0/],
    [["--ping", "--count", "1.5"], /--count takes a whole number from 1/],
    [["--port", "0"], /--port takes .* from 1 to 65535/],
  ];
  const cases: typeof numbers = [
    ...some(numbers),
    [["--port", "70000"], /--port takes .* from 1 to 65535, not "70000"/],
    [["--count", "3"], /for --ping/],
    [["--ping", "-"], /--ping takes its names as arguments/],
    [["--ping", "exit"], /exit is none/],
    [["--ping", "-i"], /--ping takes its names as arguments/],
    [["--send", "x"], /--send is for --expect/],
    [["--gone"], /--gone is for --wait/],
    [["--max-loss", "1"], /--max-loss is for --ping/],
    [["--max-p99", "1"], /--max-p99 is for --ping/],
    [["--deadline", "1"], /--deadline is for --ping/],
    [["--interval", "1"], /--interval is for --ping/],
    [["--connect", "Ada"], /--connect, --expect and --gone greet nobody: no NAME/],
    [["--wait=1", "--gone", "Ada"], /--connect, --expect and --gone greet nobody: no NAME/],
    [["--connect", "--expect", "x"], /--connect and --expect do not go together/],
    [["--expect", "x", "-i"], /--expect and --interactive do not go together/],
    [["--connect", "--lines"], /--connect and --lines do not go together/],
    [["--wait", "1", "--gone", "--ping"], /--gone and --ping do not go together/],
    [
      ["--expect", "\\q"],
      /--expect takes a text in which \\r \\n \\t \\xHH \\\\ stand for bytes, not/,
    ],
    [["--expect", ""], /--expect takes a text/],
    [["--cacert", "README.md"], /--cacert README\.md: no certificate in PEM form is in it/],
    [["--cacert", "nowhere.pem"], /cannot read --cacert nowhere\.pem: No such file/],
  ];
  await Promise.all(cases.map(async ([args, expected]) => {
    const { code, stdout, stderr } = await runScript("client.ts", args);
    assertEquals({ args, code, stdout }, { args, code: 2, stdout: "" });
    assertMatch(stderr, /^client: [^\n]*\n$/);
    assertMatch(stderr, expected);
  }));
});

Deno.test("client.ts says which permission is missing and how to grant it", async () => {
  const args = ["--hostname", "[::1]:8000", "小明"];
  const network = await runScript("client.ts", args, { permissions: [] });
  assertEquals(network.code, 77);
  assertEquals(
    network.stderr,
    `client: net access to "[::1]:8000" is not granted (run: deno run ` +
      `'--allow-net=[::1]:8000' ${ROOT}client.ts --hostname '[::1]:8000' '小明')\n`,
  );
  const file = await runScript("client.ts", ["--cacert", "ca's.pem"], { permissions: [] });
  assertEquals(file.code, 77);
  assertEquals(
    file.stderr,
    `client: read access to "ca's.pem" is not granted (run: deno run ` +
      `--allow-net=127.0.0.1:9999 '--allow-read=ca'\\''s.pem' ${ROOT}client.ts --cacert 'ca'\\''s.pem')\n`,
  );
});

Deno.test("client.ts --help fits 80 columns and names the permissions, and --version is a version", async () => {
  const help = await runScript("client.ts", ["-h"], { permissions: [] });
  assertEquals([help.code, help.stderr], [0, ""]);
  const lines = help.stdout.trimEnd().split("\n");
  assertEquals(lines.filter((line) => line.length > 80), []);
  assertEquals(lines.filter((line) => line.startsWith("  deno run --allow-net=")).length, 2);
  const version = await runScript("client.ts", ["--version"], { permissions: [] });
  assertEquals(version.code, 0);
  assertMatch(version.stdout, /^client\.ts \d+\.\d+\.\d+\n$/);
});
