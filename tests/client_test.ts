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
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { connect, Replies, statistics } from "../client.ts";
import { TrioError, writeAll } from "../mod.ts";
import { serve } from "../server.ts";
import { makeCertificates } from "./compat/certificates.ts";
import { IPV6, testPeer } from "./compat/peers.ts";
import { closedPort, denoArgs, FakeServer, Running, runScript } from "./testing.ts";

const text = new TextEncoder();

/** What the tutorial's server receives, one read at a time. */
function tutorialServer(messages: string[], answers = Infinity): FakeServer {
  return new FakeServer(async (conn) => {
    const decoder = new TextDecoder(), buffer = new Uint8Array(1024);
    await writeAll(conn, text.encode("Welcome!"));
    for (let n; (n = await conn.read(buffer)) !== null;) {
      const message = decoder.decode(buffer.subarray(0, n));
      messages.push(message);
      if (message === "exit" || answers-- === 0) return;
      await writeAll(conn, text.encode(`Hello, ${message}!`));
    }
  });
}

function client(port: number, args: string[], stdin?: string | Uint8Array) {
  return runScript("client.ts", ["--port", String(port), ...args], {
    stdin,
    permissions: [`--allow-net=127.0.0.1:${port}`],
  });
}

function running(port: number, args: string[], typing = false): Running {
  const command = denoArgs("client.ts", ["--port", String(port), ...args]);
  return new Running(Deno.execPath(), command, { typing });
}

/** How a running client ended, and what it said. */
async function ended(client: Running) {
  const { code } = await client.child.status;
  await client.stop();
  return { code, stdout: client.stdout, stderr: client.stderr };
}

Deno.test("client.ts sends what the tutorial's client sends, each name after a reply", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const { code, stdout, stderr } = await client(server.port, []);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n");
  assertEquals(messages, ["Michael", "Tracy", "Sarah", "exit"]);
});

for (const lines of [false, true]) {
  const option = lines ? ["--lines"] : [];
  Deno.test(`client.ts ${option} greets with spaces, 中文, emoji and controls`, async () => {
    await using server = serve({ port: 0, delay: 0, lines });
    const names = ["Ada Lovelace", " ", "小明", "👩‍👩‍👧‍👦", "a\tb", "\x1b[31mred", "a\rb", "exit "];
    const { code, stdout } = await client(server.addr.port, [...option, "--", ...names]);
    const shown = names.map((name) =>
      `Hello, ${name.replace("\x1b", "\\x1b").replace("\r", "\\x0d")}!\n`
    );
    assertEquals({ code, stdout }, { code: 0, stdout: `Welcome!\n${shown.join("")}` });
  });

  Deno.test(`client.ts ${option} refuses a name with a newline before it connects`, async () => {
    let connections = 0;
    await using server = new FakeServer(() => void connections++);
    for (const name of ["a\nb", "a\n", "\n"]) {
      const { code, stderr } = await client(server.port, [...option, name]);
      assertEquals(code, 2);
      assertMatch(stderr, /^client: ".*" has a newline.*\n$/);
    }
    assertEquals(connections, 0);
  });

  Deno.test(`client.ts ${option} ends the session at the name exit`, async () => {
    await using server = serve({ port: 0, delay: 0, lines });
    const args = [...option, "Ada", "exit", "Bob"];
    const { code, stdout } = await client(server.addr.port, args);
    assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\n" });
  });
}

Deno.test("client.ts refuses an empty name, which --lines sends", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true });
  const refused = await client(server.addr.port, ["Ada", ""]);
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertStringIncludes(refused.stderr, "with --lines it can");
  const { code, stdout } = await client(server.addr.port, ["--lines", ""]);
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, !\n" });
});

Deno.test("client.ts --lines greets with 64 KiB", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true });
  const name = "小".repeat(64 * 1024 / 3);
  const { code, stdout } = await client(server.addr.port, ["--lines", name]);
  assertEquals(code, 0);
  assert(stdout === `Welcome!\nHello, ${name}!\n`);
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

Deno.test("client.ts - reads names from stdin, ended by CRLF, LF or nothing", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const { code } = await client(server.port, ["Ada", "-", "Bob"], "\ufeff小明\r\nTracy\nlast one");
  assertEquals(code, 0);
  assertEquals(messages, ["Ada", "小明", "Tracy", "last one", "Bob", "exit"]);
});

Deno.test("client.ts - refuses an empty line, which --lines sends", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const refused = await client(server.addr.port, ["-"], "Ada\n\nBob\n");
  assertEquals([refused.code, refused.stdout], [2, "Welcome!\nHello, Ada!\n"]);
  const { code, stdout } = await client(server.addr.port, ["--lines", "-"], "Ada\n\nBob\n");
  assertEquals(code, 0);
  assertEquals(stdout, "Welcome!\nHello, Ada!\nHello, !\nHello, Bob!\n");
});

Deno.test("client.ts - refuses what is not UTF-8", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const { code, stderr } = await client(server.addr.port, ["-"], new Uint8Array([65, 255, 10]));
  assertEquals([code, stderr], [2, "client: stdin is not UTF-8\n"]);
});

Deno.test("client.ts - greets with 10,000 names from a pipe, one at a time", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const names = Array.from({ length: 10_000 }, (_, i) => `name ${i}`);
  const { code, stdout } = await client(server.port, ["-"], names.join("\n"));
  assertEquals(code, 0);
  assertEquals(messages, [...names, "exit"]); // two in one read would be one here
  assertEquals(stdout.split("\n").length, 10_002);
});

Deno.test("client.ts - reads no more names than it needs", async () => {
  await using server = tutorialServer([], 200);
  await using child = running(server.port, ["--quiet", "-"], true);
  const block = "name\n".repeat(10_000);
  let taken = 0;
  await assertRejects(async () => {
    for (;; taken += block.length) await child.type(block);
  }, Error);
  assertEquals((await ended(child)).code, 56);
  assert(taken < 1_000_000, `it took ${taken} bytes for 200 names`);
});

Deno.test("client.ts -i asks for names until exit, and again after an empty line", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const { code, stdout, stderr } = await client(server.port, ["-i"], "Ada\n\nBob\nexit\nCy\n");
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\nHello, Bob!\n" });
  assertEquals(stderr, "Name: ".repeat(4));
  assertEquals(messages, ["Ada", "Bob", "exit"]);
});

Deno.test("client.ts --json shows one object a line", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const { port } = server.addr;
  const { stdout } = await client(port, ["--json", '"小明"']);
  const [welcome, reply, ...more] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(welcome, { event: "welcome", server: `127.0.0.1:${port}`, welcome: "Welcome!" });
  assert(reply.ms > 0);
  assertEquals(reply, { event: "reply", name: '"小明"', reply: 'Hello, "小明"!', ms: reply.ms });
  assertEquals(more, []);
});

Deno.test("client.ts --quiet shows nothing", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const { code, stdout, stderr } = await client(server.addr.port, ["-q"]);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

Deno.test("client.ts --ping shows seq and time, and a summary", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const args = ["--ping", "--count", "4", "--interval", "0.001", "Ada", "小明"];
  const { code, stdout } = await client(server.port, args);
  assertEquals(code, 0);
  const ms = "\\d+\\.\\d{3}";
  const lines = ["Ada", "小明", "Ada", "小明"]
    .map((name, i) => `Hello, ${name}! seq=${i + 1} time=${ms} ms\n`);
  const summary = `--- 127\\.0\\.0\\.1:${server.port} greeting statistics ---
4 sent, 4 received, 0 lost, time \\d+ ms
min/avg/max/stddev = ${ms}/${ms}/${ms}/${ms} ms
p50/p99 = ${ms}/${ms} ms\n`;
  assertMatch(stdout, new RegExp(`^Welcome!\n${lines.join("")}\n${summary}$`));
  assertEquals(messages, ["Ada", "小明", "Ada", "小明", "exit"]);
});

Deno.test("client.ts --ping --quiet --json shows the summary alone", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const args = ["--ping", "--count", "3", "--interval", "0", "-q", "--json"];
  const { code, stdout } = await client(server.addr.port, args);
  assertEquals(code, 0);
  const { min, avg, max, stddev, p50, p99, ...counts } = JSON.parse(stdout);
  assertEquals(counts, { event: "summary", sent: 3, received: 3, lost: 0 });
  assert(0 < min && min <= p50 && p50 <= p99 && p99 <= max && min <= avg && stddev >= 0);
});

Deno.test("client.ts --ping connects again, counts what was lost, and goes on", async () => {
  await using server = new FakeServer(async (conn, count) => {
    if (count === 2) return;
    const buffer = new Uint8Array(9);
    await writeAll(conn, text.encode("Welcome!"));
    await conn.read(buffer);
    await writeAll(conn, text.encode("Hello, Ada!"));
    await conn.read(buffer); // and then it goes away, whether that was a name or exit
  });
  const args = ["--ping", "--count", "4", "--interval", "0", "--json", "Ada"];
  const { code, stdout } = await client(server.port, args);
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    events.map(({ event, seq, code }) => [event, seq, code].filter((x) => x !== undefined)),
    [
      ["welcome"],
      ["reply", 1],
      ["lost", 2, 56],
      ["lost", 3, 52],
      ["welcome"],
      ["reply", 4],
      ["summary"],
    ],
  );
  const { sent, received, lost } = events.at(-1);
  assertEquals({ sent, received, lost }, { sent: 4, received: 2, lost: 2 });
  assertEquals(code, 52);
});

Deno.test("client.ts --ping loses nothing when the server closes after each reply", async () => {
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, text.encode("Welcome!"));
    await conn.read(new Uint8Array(9));
    const reply = conn.write(text.encode("Hello, Ada!"));
    await conn.closeWrite(); // comes with the reply
    await reply;
    await conn.read(new Uint8Array(9));
  });
  const args = ["--ping", "--count", "2", "--interval", "0.5", "Ada"];
  const { code, stdout, stderr } = await client(server.port, args);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Welcome!\n.* seq=1 .*\nWelcome!\n.* seq=2 .*\n\n.*\n2 sent, 2 received, 0/);
});

Deno.test("client.ts --ping ends on Ctrl+C with its summary and 130", async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using child = running(server.addr.port, ["--ping", "--interval", "0.01"]);
  await child.heard("stdout", /seq=3/);
  child.child.kill("SIGINT");
  const { code, stdout, stderr } = await ended(child);
  assertEquals([code, stderr], [130, ""]);
  const [, sent, received] = stdout.match(/(\d+) sent, (\d+) received, 0 lost/) ?? [];
  assert(Number(sent) >= 3 && sent === received, stdout);
});

Deno.test("client.ts closes and exits with 130 on Ctrl+C", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, text.encode("Welcome!"));
    const buffer = new Uint8Array(9);
    while (await conn.read(buffer) !== null);
    resolve();
  });
  await using child = running(server.port, []);
  await child.heard("stdout", /Welcome!/);
  child.child.kill("SIGINT");
  const { code, stderr } = await ended(child);
  assertEquals([code, stderr], [130, "client: interrupted\n"]);
  await promise;
});

Deno.test("client.ts --wait greets as soon as the server is up", async () => {
  const port = closedPort();
  await using waiting = running(port, ["--wait", "60", "-v", "Ada"]);
  await waiting.heard("stderr", /^client: cannot connect to .*refused.*\n/);
  await using _server = serve({ port, delay: 0 });
  const { code, stdout } = await ended(waiting);
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\n" });
});

Deno.test("client.ts --wait without names ends when it is welcomed", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const { code, stdout } = await client(server.port, ["--wait", "60"]);
  assertEquals({ code, stdout, messages }, { code: 0, stdout: "Welcome!\n", messages: ["exit"] });
});

Deno.test("client.ts --wait outlasts servers that close, break or say nothing", async () => {
  await using server = new FakeServer(async (conn, count) => {
    const silence = () => conn.read(new Uint8Array(9));
    if (count === 1) return;
    if (count === 2) return await writeAll(conn, text.encode("Welc"));
    if (count === 3) return void await silence();
    await writeAll(conn, text.encode("Welcome!"));
    await silence();
  });
  const args = ["--wait", "60", "--timeout", "1", "-v"];
  const { code, stdout, stderr } = await client(server.port, args);
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\n" });
  assertMatch(stderr, /^.* without a word\n.* closed the connection\n.* did not say Welcome!.*\n$/);
});

Deno.test("client.ts --wait ends in time with the code of the last failure", async () => {
  const port = closedPort();
  const refused = await client(port, ["--wait", "0.5"]);
  assertEquals([refused.code, refused.stdout], [7, ""]);
  assertMatch(refused.stderr, /^client: cannot connect to .*\n$/); // one line: silent without -v
  const args = ["--hostname", "nobody.invalid", "--wait", "0.5"];
  const unknown = await runScript("client.ts", args);
  assertEquals(unknown.code, 6);
  assertMatch(unknown.stderr, /^client: cannot resolve nobody\.invalid: .*\n$/);
  await using silent = new FakeServer(async (conn) => void await conn.read(new Uint8Array(9)));
  const late = await client(silent.port, ["--wait", "0.5"]);
  assertEquals(late.code, 28);
  assertMatch(late.stderr, /^client: .*not greeted within 0\.5 s.*\n$/);
});

Deno.test("client.ts --wait does not wait for what waiting does not mend", async () => {
  await using server = new FakeServer((conn) => writeAll(conn, text.encode("220 ESMTP")));
  const { code } = await client(server.port, ["--wait", "600"]);
  assertEquals(code, 1);
  const denied = await runScript("client.ts", ["--wait", "600"], { permissions: [] });
  assertEquals(denied.code, 77);
});

Deno.test("client.ts is interrupted while it waits", async () => {
  await using child = running(closedPort(), ["--wait", "600", "-v"]);
  await child.heard("stderr", /refused/);
  child.child.kill("SIGINT");
  assertEquals((await ended(child)).code, 130);
});

Deno.test("client.ts says what a bad command line should be", async () => {
  const cases: [string[], RegExp][] = [
    [["--nope"], /unknown option --nope/],
    [["--port", "abc"], /--port takes .* from 1 to 65535, not "abc"/],
    [["--port", "70000"], /--port takes .* from 1 to 65535/],
    [["--port", "0"], /--port takes .* from 1 to 65535/],
    [["--port"], /--port takes a port/],
    [["--hostname", "a b"], /--hostname: invalid host/],
    [["--timeout", "0"], /--timeout takes .* from 0\.001/],
    [["--wait", "-1"], /--wait takes a number from 0/],
    [["--lines=yes"], /--lines takes no value/],
    [["--count", "3"], /for --ping/],
    [["--ping", "--count", "1.5"], /--count takes a whole number from 1/],
    [["--ping", "-"], /--ping takes its names as arguments/],
    [["--ping", "exit"], /exit is none/],
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
  const network = await runScript("client.ts", ["-p", "8000", "小明"], { permissions: [] });
  assertEquals(network.code, 77);
  assertEquals(
    network.stderr,
    `client: net access to "127.0.0.1:8000" is not granted ` +
      `(run: deno run --allow-net=127.0.0.1:8000 client.ts -p 8000 '小明')\n`,
  );
  const file = await runScript("client.ts", ["--cacert", "ca's.pem"], { permissions: [] });
  assertEquals(file.code, 77);
  assertEquals(
    file.stderr,
    `client: read access to "ca's.pem" is not granted (run: deno run ` +
      `--allow-net=127.0.0.1:9999 '--allow-read=ca'\\''s.pem' client.ts --cacert 'ca'\\''s.pem')\n`,
  );
});

Deno.test("client.ts --help fits a screen, and --version is a version", async () => {
  const help = await runScript("client.ts", ["-h"], { permissions: [] });
  assertEquals([help.code, help.stderr], [0, ""]);
  const lines = help.stdout.trimEnd().split("\n");
  assert(lines.length <= 24 && lines.every((line) => line.length <= 80), help.stdout);
  const version = await runScript("client.ts", ["--version"], { permissions: [] });
  assertEquals(version.code, 0);
  assertMatch(version.stdout, /^client\.ts \d+\.\d+\.\d+\n$/);
});

testPeer(
  "client.ts --cacert trusts those certificates, and only for their names",
  ["openssl"],
  async () => {
    await using certificates = await makeCertificates();
    const { ca, good, wrongName, expired, unknownCa } = certificates;
    const greetAs = async (chain: typeof good, options: string[]) => {
      using listener = Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        cert: await Deno.readTextFile(chain.certificate),
        key: await Deno.readTextFile(chain.key),
      });
      const result = runScript("client.ts", ["-p", `${listener.addr.port}`, ...options, "Ada"]);
      {
        using conn = await listener.accept();
        await writeAll(conn, text.encode("Welcome!Hello, Ada!")).catch(() => {});
        let heard = "";
        while (!heard.endsWith("exit")) {
          const buffer = new Uint8Array(99);
          const n = await conn.read(buffer).catch(() => null); // it is not trusted
          if (n === null) break;
          heard += new TextDecoder().decode(buffer.subarray(0, n));
        }
      } // closes without a close_notify
      return await result;
    };
    const { code, stdout } = await greetAs(good, ["--cacert", ca]);
    assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\n" });
    assertEquals((await greetAs(good, ["--tls"])).code, 60);
    for (const chain of [wrongName, expired, unknownCa]) {
      const { code, stderr } = await greetAs(chain, ["--cacert", ca]);
      assertEquals(code, 60);
      assertMatch(stderr, /^client: 127\.0\.0\.1:\d+ is not trusted: [^\n]*\n$/);
    }
  },
);

Deno.test("client.ts --tls exits with 35 where no TLS is spoken", async () => {
  await using server = new FakeServer((conn) => writeAll(conn, text.encode("Welcome!")));
  const { code, stderr } = await client(server.port, ["--tls"]);
  assertEquals(code, 35);
  assertMatch(stderr, /^client: TLS with .* failed: .*\n$/);
});

Deno.test("connect is as the example says, and its greetings queue in order", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  await using greeter = await connect({ port: server.port });
  assertEquals(greeter.welcome, "Welcome!");
  const names = Array.from({ length: 50 }, (_, i) => `name ${i}`);
  const all = Promise.all(names.map((name) => greeter.greet(name)));
  const exited = greeter.exit(); // after all of them
  assertEquals(await all, names.map((name) => `Hello, ${name}!`));
  await exited;
  assertEquals(messages, [...names, "exit"]);
  assert(greeter.signal.aborted && greeter.elapsed > 0);
  await assertRejects(() => greeter.greet("late"), TrioError, "is over");
});

Deno.test("greet refuses a name that cannot be sent, and goes on", async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using greeter = await connect({ port: server.addr.port });
  for (const name of ["", "a\nb", "a\r", "exit"]) {
    const error = await assertRejects(() => greeter.greet(name), TrioError);
    assertEquals(error.code, 2);
  }
  assertEquals(await greeter.greet("Ada"), "Hello, Ada!");
});

Deno.test("connect and greet end with the reason of the signal", async () => {
  const stop = new AbortController();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, text.encode("Welcome!"));
    const buffer = new Uint8Array(9);
    while (await conn.read(buffer) !== null) stop.abort(new Error("enough"));
  });
  await using greeter = await connect({ port: server.port, signal: stop.signal });
  const [first, second] = await Promise.allSettled([greeter.greet("Ada"), greeter.greet("Bob")]);
  assert(first.status === "rejected" && second.status === "rejected");
  assertEquals([first.reason.message, second.reason.message], ["enough", "enough"]);
  await assertRejects(() => connect({ port: server.port, signal: stop.signal }), Error, "enough");
});

Deno.test("connect closes the connection when its Greeter is disposed of", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, text.encode("Welcome!"));
    resolve(String(await conn.read(new Uint8Array(9))));
  });
  {
    await using _greeter = await connect({ port: server.port });
  }
  assertEquals(await promise, "null"); // EOF, and no exit
});

Deno.test("connect aborts its signal at once when the server goes away", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, text.encode("Welcome!"));
    await promise;
  });
  await using greeter = await connect({ port: server.port });
  const aborted = new Promise((done) => greeter.signal.addEventListener("abort", done));
  resolve();
  await aborted;
  const error = await assertRejects(() => greeter.greet("Ada"), TrioError, "closed");
  assertEquals(error.code, 56);
});

Deno.test("Replies says the same of the same bytes in any pieces", () => {
  const word = fc.string({ unit: "binary", maxLength: 20 })
    .map((name) => name.replace(/[\ud800-\udfff]/g, "")); // whole characters only
  fc.assert(fc.property(
    fc.array(word, { maxLength: 5 }),
    fc.array(fc.nat(12)),
    fc.option(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 255 }))),
    (names, sizes, damage) => {
      const all = names.map((name) => `Hello, ${name}!`);
      const bytes = text.encode(`Welcome!${all.join("")}`);
      const at = damage ? damage[0] % bytes.length : bytes.length;
      if (damage) bytes[at] = bytes[at]! ^ damage[1];
      const replies = new Replies("here");
      let sent = 0, done = 0;
      const converse = () => {
        const receive = () => {
          while (!replies.complete) {
            const end = Math.min(bytes.length, sent + 1 + (sizes[sent % sizes.length] ?? 99));
            replies.take(bytes.slice(sent, sent = end));
          }
        };
        receive();
        for (const reply of all) {
          replies.begin();
          receive();
          replies.expect(reply);
          receive();
          done++;
        }
      };
      if (!damage) return converse();
      assertThrows(converse, TrioError, "unexpected reply from here");
      const before = `Welcome!${all.slice(0, done + 1).join("")}`;
      assert(at < text.encode(before).length, "wrong bytes passed");
    },
  ));
});

Deno.test("statistics are those of the sorted times, and NaN without any", () => {
  const times = Array.from({ length: 200 }, (_, i) => 200 - i);
  assertEquals(statistics(times), {
    min: 1,
    avg: 100.5,
    max: 200,
    stddev: 57.734,
    p50: 100,
    p99: 198,
  });
  assertEquals(statistics([3]), { min: 3, avg: 3, max: 3, stddev: 0, p50: 3, p99: 3 });
  assert(Object.values(statistics([])).every(Number.isNaN));
});
