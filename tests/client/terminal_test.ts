/**
 * client.ts with a person at a terminal.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, Running } from "../support/process.ts";
import { FakeServer } from "../support/servers.ts";
import { BACKSPACE, CTRL_C, CTRL_D, CTRL_U, inTerminal } from "../support/terminal.ts";

function terminal(port: number, args: string[]): Running {
  const command = denoArgs("client.ts", ["--port", String(port), ...args]);
  return inTerminal([Deno.execPath(), ...command]);
}

/** The exit code, and the lines that were on the screen. */
async function screen(terminal: Running): Promise<[code: number, ...lines: string[]]> {
  const { code, stdout } = await terminal.ended();
  const shown = stdout.replace("^D\b\b", ""); // macOS shows it, Linux does not
  return [code, ...shown.split("\r\n")];
}

testPeer("client.ts -i asks, answers, and ends on Ctrl+D", ["python3"], async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using person = terminal(server.addr.port, ["-i"]);
  await person.heard("stdout", /Welcome!\r\nName: $/);
  await person.type("小明\n");
  await person.heard("stdout", /Hello, 小明!\r\nName: $/);
  await person.type("\n"); // a slip
  await person.heard("stdout", /Name: \r\nName: $/);
  await person.type(CTRL_D);
  assertEquals(await screen(person), [
    0,
    "Welcome!",
    "Name: 小明",
    "Hello, 小明!",
    "Name: ",
    "Name: ",
    "",
  ]);
});

testPeer("client.ts -i leaves editing to the terminal, and ends on exit", ["python3"], async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using person = terminal(server.addr.port, ["-i"]);
  await person.heard("stdout", /Name: $/);
  await person.type(`nonsense${CTRL_U}Adx${BACKSPACE}a\n`);
  await person.heard("stdout", /Hello, Ada!\r\nName: $/);
  await person.type("exit\n");
  const [code, ...lines] = await screen(person);
  assertEquals([code, ...lines.slice(-2)], [0, "Name: exit", ""]);
});

testPeer("client.ts -i ends with 130 on Ctrl+C, also in half a name", ["python3"], async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using person = terminal(server.addr.port, ["-i"]);
  await person.heard("stdout", /Name: $/);
  await person.type("Half a na");
  await person.heard("stdout", /Half a na$/);
  await person.type(CTRL_C);
  const [code, ...lines] = await screen(person);
  assertEquals(code, 130);
  assertEquals(lines.slice(1), ["Name: Half a na^C", "client: interrupted", ""]);
});

testPeer("client.ts -i says at once that the server went away", ["python3"], async () => {
  const leave = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, new TextEncoder().encode("Welcome!"));
    await leave.promise;
  });
  await using person = terminal(server.port, ["-i"]);
  await person.heard("stdout", /Name: $/);
  await person.type("Half a na");
  await person.heard("stdout", /Half a na$/);
  leave.resolve();
  const [code, ...lines] = await screen(person);
  assertEquals(code, 56);
  assertEquals(lines[1], "Name: Half a na");
  assertMatch(lines[2] ?? "", /^client: 127\.0\.0\.1:\d+ closed the connection$/);
});

testPeer("client.ts --ping shows its summary below ^C", ["python3"], async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using person = terminal(server.addr.port, ["--ping"]);
  await person.heard("stdout", /seq=1 .*\r\n/);
  await person.type(CTRL_C);
  const [code, ...lines] = await screen(person);
  assertEquals(code, 130);
  assertEquals(lines.slice(2, 4), [
    "^C",
    `--- 127.0.0.1:${server.addr.port} greeting statistics ---`,
  ]);
  assertStringIncludes(lines[4] ?? "", "1 sent, 1 received, 0 lost");
});
