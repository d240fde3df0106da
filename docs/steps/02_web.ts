#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// A web server that ends a page in three ways: /length, /chunked, /close.
// With ?cut behind the path it breaks off in the middle. Arguments: [PORT]
const bytes = (text: string) => new TextEncoder().encode(text);
const lines = ["<h1>你好</h1>\n", "<p>Bytes, not lines.</p>\n"];
const chunk = (text: string) => `${bytes(text).length.toString(16)}\r\n${text}\r\n`;
const answers: Record<string, [head: string, body: string]> = {
  "/length": [`Content-Length: ${bytes(lines.join("")).length}\r\n`, lines.join("")],
  "/chunked": ["Transfer-Encoding: chunked\r\n", lines.map(chunk).join("") + "0\r\n\r\n"],
  "/close": ["", lines.join("")],
};

async function answer(conn: Deno.TcpConn) {
  using _ = conn;
  let request = "";
  const buffer = new Uint8Array(1024), decoder = new TextDecoder();
  while (!request.includes("\r\n\r\n")) {
    const n = await conn.read(buffer);
    if (n === null) return;
    request += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  const target = request.split(" ")[1] ?? "";
  const [path = "", query] = target.split("?");
  const [head, body] = answers[path] ?? ["Content-Length: 0\r\n", ""];
  const all = bytes(body), sent = query === "cut" ? all.subarray(0, all.length / 2) : all;
  for (const part of [bytes(`HTTP/1.1 200 OK\r\n${head}Connection: close\r\n\r\n`), sent]) {
    for (let n = 0; n < part.length;) n += await conn.write(part.subarray(n));
  }
  console.log(`GET ${target}: sent ${sent.length} of ${all.length} bytes of body`);
}

using listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
console.log(`listening on 127.0.0.1:${listener.addr.port}`);
for await (const conn of listener) answer(conn);
