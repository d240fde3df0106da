/**
 * client.ts `--wait` and `--gone`: what is waited for, and what is taken for an end.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { encode } from "../support/bytes.ts";
import { makeCertificates } from "../support/certificates.ts";
import { runClient, startClient } from "../support/client.ts";
import { find, testPeer } from "../support/peers.ts";
import { denoArgs, pause, Running, runScript } from "../support/process.ts";
import {
  clientEnds,
  closedPort,
  copy,
  FakeServer,
  FullListener,
  TlsServer,
} from "../support/servers.ts";

Deno.test("client.ts --gone waits until nobody accepts any more", async () => {
  const accepted = Promise.withResolvers<void>(), left = Promise.withResolvers<void>();
  const server = new FakeServer(async (conn, count) => {
    if (count === 3) accepted.resolve();
    await clientEnds(conn);
    if (count === 1) left.resolve();
  });
  const { port } = server;
  await using waiting = startClient(port, ["--wait", "60", "--gone", "-v"]);
  await Promise.all([accepted.promise, left.promise]);
  await server[Symbol.asyncDispose]();
  const { code, stdout, stderr } = await waiting.ended();
  assertEquals({ code, stdout }, { code: 0, stdout: `127.0.0.1:${port} is gone\n` });
  assertMatch(stderr, /^(client: 127\.0\.0\.1:\d+ still accepts\n){3}/);
});

Deno.test("client.ts --gone exits with 28 while somebody accepts", async () => {
  for (const more of [[], ["--tls"]]) { // TLS or not, it accepts
    let tries = 0;
    await using server = new FakeServer((_, count) => void (tries = count));
    const args = ["--wait", "0.5", "--gone", ...more];
    const { code, stdout, stderr } = await runClient(server.port, args);
    assertEquals({ code, stdout }, { code: 28, stdout: "" });
    assertEquals(stderr, `client: 127.0.0.1:${server.port} still accepts\n`);
    assert(tries <= 4, `${tries} tries in half a second`);
  }
});

Deno.test("client.ts --gone tells programs, and is quiet when asked", async () => {
  const port = closedPort();
  const { code, stdout } = await runClient(port, ["--wait", "0", "--gone", "--json"]);
  const { time: _, ...event } = JSON.parse(stdout);
  assertEquals([code, event], [0, { event: "gone", server: `127.0.0.1:${port}` }]);
  const quiet = await runClient(port, ["--wait", "0", "--gone", "--quiet"]);
  assertEquals([quiet.code, quiet.stdout], [0, ""]);
});

Deno.test("client.ts --gone does not take an unknown name for an end", async () => {
  const args = ["--hostname", "nobody.invalid", "--wait", "0.5", "--gone"];
  const { code, stdout } = await runScript("client.ts", args);
  assertEquals([code, stdout], [6, ""]);
});

Deno.test({
  name: "client.ts --gone does not take a full queue for an end (needs Linux)",
  ignore: Deno.build.os !== "linux", // it refuses elsewhere
  async fn() {
    using full = await FullListener.start();
    const args = ["--wait", "1", "--timeout", "0.3", "--gone"];
    const { code, stdout } = await runClient(full.port, args);
    assertEquals([code, stdout], [28, ""]);
  },
});

testPeer("client.ts --tls --wait outlasts what breaks in the handshake", ["openssl"], async () => {
  await using certificates = await makeCertificates();
  const { ca, good, unknownCa } = certificates;
  await using service = new TlsServer(good, async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    await conn.read(new Uint8Array(9));
  });
  // as a container's port forwarder, which accepts before the service does
  await using forwarder = new FakeServer(async (conn, count) => {
    if (count === 1) return;
    if (count === 2) return await writeAll(conn, encode("503 later"));
    using behind = await Deno.connect({ port: service.port });
    await Promise.all([copy(conn, behind), copy(behind, conn)]);
  });
  const args = ["-p", `${forwarder.port}`, "--cacert", ca, "--wait", "60", "-v"];
  const { code, stdout, stderr } = await runScript("client.ts", args);
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\n" });
  assertMatch(stderr, /^(client: TLS handshake with 127\.0\.0\.1:\d+ failed: .*\n){2}$/);
  await using stranger = new TlsServer(unknownCa, async () => {});
  const { code: refused } = await runScript("client.ts", [
    ...["-p", `${stranger.port}`, "--cacert", ca, "--wait", "600"],
  ]);
  assertEquals(refused, 60); // that does not pass
});

Deno.test("client.ts --wait leaves no time limit behind", async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using client = startClient(server.addr.port, ["--wait", "0.5", "-"], true);
  await client.heard("stdout", /Welcome!/);
  await pause(800); // longer than it waits
  await client.type("Ada\n");
  await client.heard("stdout", /Hello, Ada!/);
  await client.endInput();
  assertEquals((await client.ended()).code, 0);
});

/** Runs a shell's commands in a network of its own that has four ports to connect from. */
const FOUR_PORTS =
  'ip link set lo up && echo "40000 40003" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"';
const NETWORK = ["-rn", "sh", "-c", FOUR_PORTS, "sh"];

/** Whether this user may make networks. */
const MAY_UNSHARE = Deno.build.os === "linux" && find("unshare") !== undefined &&
  new Deno.Command("unshare", { args: [...NETWORK, "true"], stderr: "null" }).outputSync().success;

Deno.test({
  name: "client.ts takes a connection to itself for a refused one (needs Linux, and may unshare)",
  ignore: !MAY_UNSHARE,
  async fn() {
    const args = ["-p", "40002", "--connect", "--wait", "600", "-v"];
    const command = [...NETWORK, Deno.execPath(), ...denoArgs("client.ts", args)];
    await using waiting = new Running("unshare", command);
    await waiting.heard("stderr", /cannot connect to 127\.0\.0\.1:40002: .*\(by itself\)\n/);
    assertEquals(waiting.stdout, "");
    assertEquals((await waiting.stop("SIGINT")).code, 130);
  },
});
