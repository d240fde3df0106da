/**
 * Servers that split, join, lie, break, stay silent or flood.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { createServer } from "node:net";
import { connect, type ConnectOptions } from "../../client.ts";
import { type TrioError, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { encode } from "../support/bytes.ts";
import { runClient } from "../support/client.ts";
import { denoArgs, pause, Running } from "../support/process.ts";
import { clientEnds, FakeServer, FullListener } from "../support/servers.ts";

async function say(conn: Deno.Conn, words: string | Uint8Array): Promise<void> {
  await writeAll(conn, encode(words));
}

/** Waits for something from the client, or its end; returns whether it came. */
async function hear(conn: Deno.Conn): Promise<boolean> {
  return await conn.read(new Uint8Array(64 * 1024)) !== null;
}

/** Says each of `words` when the client has said something, and waits for exit. */
function scripted(...words: (string | Uint8Array)[]): FakeServer {
  return new FakeServer(async (conn) => {
    const buffer = new Uint8Array(64 * 1024), decoder = new TextDecoder();
    let heard = "";
    for (let i = 0; i < words.length || !heard.endsWith("exit"); i++) {
      await say(conn, words[i] ?? "");
      const n = await conn.read(buffer);
      if (n === null) return;
      heard += decoder.decode(buffer.subarray(0, n));
    }
  });
}

/** Greets as client.ts does, in this process; returns the replies. */
async function greets(port: number, names: string[], options: ConnectOptions = {}) {
  const replies: string[] = [];
  await using greeter = await connect({ port, ...options });
  for (const name of names) replies.push(await greeter.greet(name));
  await greeter.exit();
  return replies;
}

/** Greets as Ada, and Bob, and fails with this exit code. */
function fails(port: number, code: number, options?: ConnectOptions): Promise<TrioError> {
  return rejectsWith(code, greets(port, ["Ada", "Bob"], options));
}

Deno.test("client.ts takes replies a byte at a time", async () => {
  await using server = new FakeServer(async (conn) => {
    conn.setNoDelay();
    for (const words of ["Welcome!", "Hello, 小明!", "Hello, Bob!"]) {
      for (const byte of encode(words)) {
        await say(conn, Uint8Array.of(byte));
        await pause(0); // so that the bytes travel alone
      }
      await hear(conn);
    }
  });
  const { code, stdout } = await runClient(server.port, ["小明", "Bob"]);
  assertEquals([code, stdout], [0, "Welcome!\nHello, 小明!\nHello, Bob!\n"]);
});

for (
  const [what, ...words] of [
    ["the welcome and a reply", "Welcome!Hello, Ada!", "Hello, Bob!"],
    ["the welcome and half a reply", "Welcome!Hello, A", "da!", "Hello, Bob!"],
    ["two replies", "Welcome!", "Hello, Ada!Hello, Bob!"],
    ["everything", "Welcome!Hello, Ada!Hello, Bob!"],
  ] as const
) {
  Deno.test(`greet takes ${what} in one segment`, async () => {
    await using server = scripted(...words);
    assertEquals(await greets(server.port, ["Ada", "Bob"]), ["Hello, Ada!", "Hello, Bob!"]);
  });
}

/** Wrong words, of which the last are shown, and the message about them. */
const WRONG: Record<string, [words: (string | Uint8Array)[], message: RegExp]> = {
  "another welcome": [
    ["220 mail ESMTP\r\n"],
    /"220 mail ESMTP\\r\\n" instead of "Welcome!"/,
  ],
  "a welcome that goes wrong late": [["Welcome?"], /"Welcome\?" instead of "Welcome!"/],
  "a welcome with a newline": [["Welcome!\r\n"], /"\\r\\n" instead of "Hello, "/],
  "another reply": [["Welcome!", "Hallo, Ada!"], /"Hallo, Ada!" instead of "Hello, Ada!"/],
  "a reply to another name": [
    ["Welcome!", "Hello, Eve!"],
    /"Hello, Eve!" instead of "Hello, Ada!"/,
  ],
  "a reply in other case": [["Welcome!", "HELLO, ADA!"], /"HELLO, ADA!" instead of "Hello, Ada!"/],
  "a reply with a newline": [["Welcome!", "Hello, Ada!\n"], /"\\n" instead of "Hello, "/],
  "something after the last reply": [
    ["Welcome!", "Hello, Ada!..."],
    /"\.\.\." instead of "Hello, "/,
  ],
  "a reply to exit": [
    ["Welcome!", "Hello, Ada!", "Hello, exit!"],
    /"Hello, exit!" instead of the end/,
  ],
  "a reply before exit": [["Welcome!", "Hello, Ada!Hello, "], /"Hello, " instead of the end/],
  "what would hurt a terminal": [
    ["\x1b[2J\x07\u009b31m\r"],
    /"\\x1b\[2J\\x07\\xc2\\x9b31m\\r" instead of/,
  ],
  "bytes that are no text": [[Uint8Array.of(0, 255, 254, 65)], /"\\x00\\xff\\xfeA" instead of/],
};

for (const [what, [words, message]] of Object.entries(WRONG)) {
  Deno.test(`greet shows ${what}`, async () => {
    await using server = scripted(...words);
    const error = await rejectsWith(1, greets(server.port, ["Ada"]));
    assertMatch(error.message, /^unexpected reply from 127\.0\.0\.1:\d+: [^\n]*$/);
    assertMatch(error.message, message);
  });
}

Deno.test("client.ts shows what would hurt a terminal, advises, and exits with 1", async () => {
  await using server = scripted("\x1b[2J\x07\u009b31m\r");
  const { code, stderr } = await runClient(server.port, ["Ada"]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^client: unexpected reply from 127\.0\.0\.1:\d+: "\\x1b\[2J\\x07\\xc2\\x9b31m\\r" instead of "Welcome!" \(is this a greeting server\?\)\n$/,
  );
});

Deno.test("greet says that a reply is wrong as soon as that is certain", async () => {
  await using server = new FakeServer(async (conn) => {
    await say(conn, "Welcome!");
    await hear(conn);
    await say(conn, "Hello, E");
    await clientEnds(conn); // and never says more
  });
  const { message } = await fails(server.port, 1, { timeout: 600 });
  assertMatch(message, /"Hello, E" instead of "Hello, Ada!"/);
});

Deno.test("greet shows at most a line of a long reply, around what is wrong", async () => {
  const name = "x".repeat(60_000);
  await using server = scripted("Welcome!", `Hello, ${name.slice(1)}\x1b[31m${name}!`);
  const { message } = await rejectsWith(1, greets(server.port, [name], { timeout: 60 }));
  assertMatch(message, /"…x+\\x1b\[31mx+…" instead of "…x+!"$/);
  assert(message.length < 200, message);
});

Deno.test("client.ts advises --lines or to leave it, as the server answers", async () => {
  await using pieces = scripted("Welcome!", "Hello, part1!Hello, part2!");
  const joined = await runClient(pieces.port, ["part1part2"]);
  assertEquals(joined.code, 1);
  assertMatch(joined.stderr, /a part of the name was answered: try --lines on both sides/);
  await using noLines = scripted("Welcome!", "Hello, Ada\n!");
  const { code, stderr } = await runClient(noLines.port, ["--lines", "Ada"]);
  assertEquals(code, 1);
  assertMatch(stderr, /"Hello, Ada\\n!" instead of "Hello, Ada!\\n" .*try without --lines/);
});

Deno.test("connect fails with 52 when the server closes without a word", async () => {
  await using server = new FakeServer(() => {});
  await rejectsWith(52, connect({ port: server.port }), "closed without a word");
});

for (
  const [when, ...words] of [
    ["in its welcome", "Welc"],
    ["after its welcome", "Welcome!"],
    ["in a reply", "Welcome!", "Hello, A"],
    ["after a reply", "Welcome!", "Hello, Ada!"],
  ]
) {
  Deno.test(`greet fails with 56 when the server closes ${when}`, async () => {
    await using server = new FakeServer(async (conn) => {
      for (const [i, word] of words.entries()) {
        if (i) await hear(conn);
        await say(conn, word);
      }
    });
    const { message } = await fails(server.port, 56);
    assertMatch(message, /^.*127\.0\.0\.1:\d+ (closed the connection|broke: .*)$/);
  });
}

Deno.test("client.ts exits with 56 when the server resets", async () => {
  const server = createServer((socket) => {
    socket.write("Welcome!");
    socket.once("data", () => socket.resetAndDestroy());
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const { code, stderr } = await runClient(port, []);
  await new Promise((done) => server.close(done));
  assertEquals(code, 56);
  assertMatch(stderr, /^client: the connection to .* broke: Connection reset by peer\n$/);
});

Deno.test("greet fails with 28 when the server does not do its duty in time, and says which", async () => {
  const cases = [
    ["say Welcome!"],
    ["say Welcome!", "Welco"],
    ['answer "Ada"', "Welcome!"],
    ['answer "Ada"', "Welcome!", "Hello, "],
    ["close after exit", "Welcome!", "Hello, Ada!"],
  ];
  await Promise.all(cases.map(async ([duty, ...words]) => {
    await using server = new FakeServer(async (conn) => {
      for (const word of words) {
        await say(conn, word);
        await hear(conn);
      }
      await clientEnds(conn);
    });
    const pending = greets(server.port, ["Ada"], { timeout: 0.5 });
    const { message } = await rejectsWith(28, pending);
    assertEquals(message, `127.0.0.1:${server.port} did not ${duty} within 0.5 s`);
  }));
});

Deno.test("client.ts exits with 28 when a time limit passes, and names the option", async () => {
  await using server = new FakeServer(clientEnds);
  const { code, stderr } = await runClient(server.port, ["--timeout", "0.5"]);
  assertEquals(code, 28);
  assertMatch(stderr, /^client: .* did not say Welcome! within 0\.5 s \(see --timeout\)\n$/);
});

Deno.test("greet gives a reply that drips no more time than any other", async () => {
  await using server = new FakeServer(async (conn) => {
    await say(conn, "Welcome!");
    await hear(conn);
    for (const letter of `Hello, ${"x".repeat(10_000)}`) {
      await say(conn, letter);
      await pause(5); // 50 s in all
    }
  });
  await rejectsWith(28, greets(server.port, ["x".repeat(10_000)], { timeout: 0.5 }));
});

Deno.test("greet fails with 28 when the server does not take a name", async () => {
  await using server = new FakeServer(async (conn) => {
    await say(conn, "Welcome!");
    await closed.promise;
  });
  const closed = Promise.withResolvers<void>();
  const name = "x".repeat(20_000_000); // more than sockets hold
  await rejectsWith(28, greets(server.port, [name], { timeout: 0.5 })).finally(closed.resolve);
});

Deno.test({
  name: "connect fails with 28 when nobody accepts (needs Linux)",
  ignore: Deno.build.os !== "linux", // a full queue refuses elsewhere
  async fn() {
    using listener = await FullListener.start();
    const pending = connect({ port: listener.port, timeout: 0.5 });
    await rejectsWith(28, pending, "did not accept the connection within 0.5 s");
  },
});

for (
  const [when, flood = "", ...words] of [
    ["for a welcome", "x"],
    ["that begins well", "Welcome!"],
    ["after its welcome", "x", "Welcome!"],
    ["for a reply", "Hello, Ada!", "Welcome!"],
    ["instead of its end", "x", "Welcome!", "Hello, Ada!"],
  ]
) {
  Deno.test(`greet ends a flood ${when} at the first wrong byte`, async () => {
    let flooded = 0;
    await using server = new FakeServer(async (conn) => {
      for (const word of words) {
        await say(conn, word);
        await hear(conn);
      }
      const block = encode(flood.repeat(10_000));
      for (;;) flooded += await conn.write(block);
    });
    const { message } = await rejectsWith(1, greets(server.port, ["Ada"], { timeout: 600 }));
    assert(message.length < 200, message);
    assert(flooded < 16_000_000, `the sockets took ${flooded} bytes`);
  });
}

for (
  const [what, farewell, code, message] of [
    ["goes away", "", 56, /closed the connection/],
    ["says another thing", "Server going down\n", 1, /"Server going down\\n" instead of/],
  ] as const
) {
  Deno.test(`client.ts says at once that the server ${what} while no name is given`, async () => {
    const leave = Promise.withResolvers<void>();
    await using server = new FakeServer(async (conn) => {
      await say(conn, "Welcome!");
      await leave.promise;
      await say(conn, farewell);
    });
    const command = denoArgs("client.ts", ["--port", String(server.port), "-i"]);
    await using child = new Running(Deno.execPath(), command, { typing: true });
    await child.heard("stderr", /Name: /);
    leave.resolve();
    assertEquals((await child.child.status).code, code); // while its stdin is open
    await child.stop();
    assertMatch(child.stderr, /^Name: \nclient: [^\n]*\n$/);
    assertMatch(child.stderr, message);
  });
}

Deno.test("client.ts ends when its server does, though more names could be typed", async () => {
  await using server = new FakeServer(async (conn) => {
    await say(conn, "Welcome!");
    await hear(conn);
  });
  const command = denoArgs("client.ts", ["--port", String(server.port), "-"]);
  await using child = new Running(Deno.execPath(), command, { typing: true });
  await child.type("Ada\n");
  assertEquals((await child.child.status).code, 56);
});

Deno.test("client.ts --ping counts wrong replies as lost, and exits with 1", async () => {
  await using server = scripted("Welcome!", "Hello, Eve\n");
  const args = ["--ping", "--count", "3", "--interval", "0", "Ada"];
  const { code, stdout } = await runClient(server.port, args);
  assertEquals(code, 1);
  assertMatch(stdout, /^(Welcome!\nlost seq=\d: unexpected reply .*\n){3}\n/);
  assertMatch(stdout, /\n3 sent, 0 received, 3 lost \(100 %\), time \d+ ms\n$/);
});

Deno.test({
  name: "client.ts exits with 23 when its output cannot be written (needs Linux)",
  ignore: Deno.build.os !== "linux", // where /dev/full is
  async fn() {
    await using server = scripted("Welcome!", "Hello, Ada!");
    const last = "--ping -q --deadline 0.2 Ada"; // the last lines alone, too
    for (const what of ["Ada", "--help", last]) {
      const args = denoArgs("client.ts", ["--port", String(server.port), ...what.split(" ")]);
      const full = new Deno.Command("sh", {
        args: ["-c", 'exec "$0" "$@" > /dev/full', Deno.execPath(), ...args],
        stderr: "piped",
      });
      const { code, stderr } = await full.output();
      assertEquals(code, 23);
      assertMatch(
        new TextDecoder().decode(stderr),
        /^client: cannot write the output: No space.*\n$/,
      );
    }
  },
});
