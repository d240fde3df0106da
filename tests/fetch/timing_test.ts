/**
 * What the times of an exchange are of: the name lookup, the connection, a proxy's part, the body.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { download, request } from "../../fetch.ts";
import { bodyOf } from "../support/fetch.ts";
import { pause } from "../support/process.ts";
import { connecting, replaced } from "../support/replaced.ts";
import { HELLO } from "../support/replies.ts";
import { FakeServer, replying, urlOf } from "../support/servers.ts";
import { socksServer } from "../support/socks.ts";

/** While it lasts, all names are looked up in this time and all connections lead to `port`. */
function lookingUp(port: number, ms: number): Disposable & { signals: AbortSignal[] } {
  const signals: AbortSignal[] = [], found = Promise.withResolvers<void>();
  const stack = new DisposableStack();
  stack.use(replaced(Deno, "resolveDns", () => {
    const resolve = async (_name: string, _type: string, options: Deno.ResolveDnsOptions) => {
      signals.push(options.signal!);
      await pause(ms);
      found.resolve();
      return [];
    };
    return resolve as unknown as typeof Deno.resolveDns;
  }));
  stack.use(connecting((connect) => async () => {
    if (signals.length > 0) await found.promise;
    return await connect({ port, hostname: "127.0.0.1" });
  }));
  return { signals, [Symbol.dispose]: () => stack.dispose() };
}

Deno.test("request with timing takes the time of the lookup from that of the connection", async () => {
  await using server = new FakeServer(replying(HELLO));
  using names = lookingUp(server.port, 100);
  const started = performance.now();
  using response = await request("http://a.example/", { timing: true });
  const all = performance.now() - started, [hop] = response.timing;
  assert(hop!.lookup! > 0);
  assert(hop!.lookup! + hop!.tcp + hop!.wait <= all, JSON.stringify(hop));
  assertEquals(names.signals.map(({ aborted }) => aborted), [true], "it ends with the connection");
});

Deno.test("request with timing looks up no address", async () => {
  await using server = new FakeServer(replying(HELLO));
  using names = lookingUp(server.port, 0);
  for (const host of ["127.0.0.1", "[::1]", "[2001:db8::1]"]) {
    using response = await request(`http://${host}/`, { timing: true });
    assertEquals([response.timing[0]!.lookup, names.signals.length], [0, 0], host);
  }
});

Deno.test({
  name: "request with timing asks no name server that is not granted",
  permissions: { net: ["127.0.0.1", "a.example:80"] },
  async fn() {
    await using server = new FakeServer(replying(HELLO));
    using names = lookingUp(server.port, 0);
    using response = await request("http://a.example/", { timing: true });
    assertEquals([response.timing[0]!.lookup, names.signals.length], [null, 0]);
  },
});

Deno.test("request has the time of a SOCKS proxy's part, for http too", async () => {
  await using proxy = socksServer();
  const options = { proxy: `socks5://127.0.0.1:${proxy.port}` };
  using response = await request("http://a.example/", options);
  assert(response.timing[0]!.tls > 0);
});

Deno.test("request has the time of the body once that has ended", async () => {
  await using server = new FakeServer(replying(HELLO));
  const started = performance.now();
  using response = await request(urlOf(server));
  const [hop] = response.timing;
  assert(hop!.wait > 0);
  assertEquals(hop!.transfer, 0);
  await bodyOf(response);
  assert(hop!.transfer > 0 && hop!.wait + hop!.transfer <= performance.now() - started);
});

Deno.test("download tells how many seconds it took", async () => {
  await using server = new FakeServer(replying(HELLO));
  const started = performance.now();
  const { seconds } = await download(urlOf(server), { output: "/dev/null" });
  assert(seconds > 0 && seconds <= (performance.now() - started) / 1000, `${seconds} s`);
});
