/**
 * fetch.ts through a SOCKS5 proxy: what that is told, what the server behind it is, and answers in
 * pieces. Real proxies are in tests/compat.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { get } from "../support/fetch.ts";
import { seeingConnections } from "../support/replaced.ts";
import { socksServer } from "../support/socks.ts";

Deno.test("request takes the answers of a SOCKS5 proxy in whatever pieces they come", async () => {
  using _ = seeingConnections((conn) => {
    const { read } = conn;
    conn.read = (p) => read.call(conn, p.subarray(0, 1));
  });
  for (const login of [false, true]) {
    await using proxy = socksServer({ login });
    const via = `socks5h://ann:word@127.0.0.1:${proxy.port}`;
    assertEquals(await get("http://a.example/", { proxy: via }), "hello");
  }
});

Deno.test("request gives a SOCKS5 proxy the whole password, and the server none of it", async () => {
  const heads: string[] = [];
  await using proxy = socksServer({ login: true, heads });
  const via = `socks5h://ann:p%3Aw:d@127.0.0.1:${proxy.port}`;
  const options = { proxy: via, headers: ["Proxy-Authorization: secret", "Accept: text/x"] };
  assertEquals(await get("http://a.example:8080/b", options), "hello");
  assertEquals(proxy.messages, [
    "\x05\x02\0\x02",
    "\x01\x03ann\x05p:w:d",
    "\x05\x01\0\x03\x09a.example\x1f\x90",
  ]);
  assert(heads[0]!.startsWith("GET /b HTTP/1.1\r\nHost: a.example:8080\r\n"), heads[0]);
  assert(heads[0]!.includes("\r\nAccept: text/x\r\n"), heads[0]);
  assert(!/proxy-authorization/i.test(heads[0]!), heads[0]);
});
