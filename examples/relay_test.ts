/**
 * Tests a TCP relay with a server and a client that know each byte: the relay may split and join
 * what it passes on, but neither lose, change nor reorder it.
 *
 * ```sh
 * deno test --allow-net=127.0.0.1 examples/relay_test.ts
 * ```
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { connect } from "../client.ts";
import { serve } from "../server.ts";

/** What is tested: passes all that comes to a free port on to `port`, and back. */
async function relay(listener: Deno.TcpListener, port: number) {
  for await (const near of listener) {
    const far = await Deno.connect({ port });
    near.readable.pipeTo(far.writable).catch(() => {});
    far.readable.pipeTo(near.writable).catch(() => {});
  }
}

Deno.test("the relay passes on every byte, both ways", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  relay(listener, server.addr.port).catch(() => {}); // until the listener is closed

  const port = listener.addr.port;
  const names = ["Ada", "小明", "a".repeat(60_000)]; // the last takes many reads
  await using client = await connect({ port, lines: true });
  for (const name of names) assertEquals(await client.greet(name), `Hello, ${name}!`);
  await client.exit();
  assertEquals(server.status().messages, names.length);
});
